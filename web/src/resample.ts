/**
 * A streaming resampler: a windowed sinc, one set of weights for each phase between input and output samples.
 *
 * Flat to 91.5 % of the lower Nyquist frequency, and nothing above it. Between, it falls as soxr's "HQ" does, which the
 * command line uses, to a quarter of a decibel: a log-mel front-end is sensitive to the difference. Linear phase, no delay: output k is at input time k * from / to.
 *
 * A rate that is more than twice as high is halved first, by a short filter: half the work for the same curve.
 */

const PASS = 0.915;
const STOP_DB = 132;

/** The same of soxr's "LQ", to an eighth of a decibel where it lets more than a tenth through; shares of the Nyquist frequency. */
const LOW_PASS = 0.66;
const LOW_STOP = 1.015;

export class Resampler {
  private readonly stages: Stage[] = [];
  private nIn = 0;
  private nOut = 0;

  constructor(
    private readonly fromHz: number,
    private readonly toHz: number,
    quality: "high" | "low" = "high",
  ) {
    if (quality === "low" && fromHz !== toHz) {
      const nyquist = Math.min(1, toHz / fromHz) / 2;
      this.stages.push(stage(fromHz, toHz, LOW_PASS * nyquist, LOW_STOP * nyquist));
      return;
    }
    let rate = fromHz;
    while (rate >= 2 * toHz && rate % 2 === 0) {
      // What this only attenuates is in the stop band of the last stage, which removes it.
      this.stages.push(new Stage(1, 2, (PASS * toHz) / 2 / rate, 0.5 - toHz / 2 / rate));
      rate /= 2;
    }
    if (rate !== toHz) {
      const nyquist = Math.min(1, toHz / rate) / 2;
      this.stages.push(stage(rate, toHz, PASS * nyquist, nyquist));
    }
  }

  /** The next block of input; returns all output that it determines. */
  push(block: Float32Array): Float32Array {
    this.nIn += block.length;
    return this.count(this.stages.reduce((samples, stage) => stage.push(samples), block));
  }

  /** The end: the remaining output, as if zeros followed. In all there are round(input * to / from) samples. */
  finish(): Float32Array {
    if (!this.stages.length) return new Float32Array(0);
    const wanted = Math.round((this.nIn * this.toHz) / this.fromHz) - this.nOut;
    // Zeros until the last stage has given enough; each stage holds back half its weights.
    const zeros = new Float32Array(4096);
    const parts: Float32Array[] = [];
    let n = 0;
    while (n < wanted) {
      const part = this.push(zeros);
      parts.push(part);
      n += part.length;
    }
    const out = new Float32Array(n);
    let at = 0;
    for (const part of parts) {
      out.set(part, at);
      at += part.length;
    }
    return out.subarray(0, wanted);
  }

  private count(out: Float32Array): Float32Array {
    this.nOut += out.length;
    return out;
  }
}

/** From one rate to another, up / down times as high. Frequencies are in cycles per input sample. */
class Stage {
  private readonly half: number; // weights on either side of the centre
  private readonly phases: Float32Array[];
  private buffer: Float32Array; // input from sample `first` on
  private first: number;
  private nIn = 0;
  private nOut = 0;

  constructor(
    private readonly up: number,
    private readonly down: number,
    pass: number,
    stop: number,
  ) {
    const n = (STOP_DB - 8) / (2.285 * 2 * Math.PI * (stop - pass));
    this.half = 2 * Math.ceil(n / 4); // even: summed four at a time
    this.buffer = new Float32Array(this.half); // zeros before the beginning
    this.first = -this.half;
    this.phases = Array.from({ length: up }, (_, p) => weightsAt(p / up, this.half, (pass + stop) / 2));
  }

  push(block: Float32Array): Float32Array {
    this.nIn += block.length;
    const joined = new Float32Array(this.buffer.length + block.length);
    joined.set(this.buffer);
    joined.set(block, this.buffer.length);
    this.buffer = joined;
    return this.take(Math.floor(((this.nIn - this.half - 1) * this.up) / this.down) + 1);
  }

  private take(end: number): Float32Array {
    const out = new Float32Array(Math.max(0, end - this.nOut));
    const { up, down, half, buffer } = this;
    const phases = this.phases;
    const first = this.first;
    const n = 2 * half;
    for (let k = 0; k < out.length; k++) {
      const at = (this.nOut + k) * down;
      const weights = phases[at % up]!;
      const from = Math.floor(at / up) - half + 1 - first;
      let a = 0;
      let b = 0;
      let c = 0;
      let d = 0;
      for (let i = 0; i < n; i += 4) {
        a += weights[i]! * buffer[from + i]!;
        b += weights[i + 1]! * buffer[from + i + 1]!;
        c += weights[i + 2]! * buffer[from + i + 2]!;
        d += weights[i + 3]! * buffer[from + i + 3]!;
      }
      out[k] = a + b + (c + d);
    }
    this.nOut += out.length;
    const keep = Math.floor((this.nOut * down) / up) - half + 1 - first;
    if (keep > 0) {
      this.buffer = buffer.slice(keep);
      this.first += keep;
    }
    return out;
  }
}

/** Weights for an output at `offset` after an input sample; the window is Kaiser's. */
function weightsAt(offset: number, half: number, cutoff: number): Float32Array {
  const beta = 0.1102 * (STOP_DB - 8.7);
  const weights = new Float64Array(2 * half);
  let sum = 0;
  for (let i = 0; i < weights.length; i++) {
    const t = i - half + 1 - offset;
    const x = 2 * Math.PI * cutoff * t;
    const sinc = Math.abs(x) < 1e-9 ? 1 : Math.sin(x) / x;
    const edge = t / half;
    weights[i] = sinc * (Math.abs(edge) < 1 ? bessel(beta * Math.sqrt(1 - edge * edge)) : 0);
    sum += weights[i]!;
  }
  return Float32Array.from(weights, (weight) => weight / sum); // exactly 1 for a constant
}

function bessel(x: number): number {
  let sum = 1;
  let term = 1;
  for (let k = 1; term > 1e-12 * sum; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}

function stage(fromHz: number, toHz: number, pass: number, stop: number): Stage {
  const divisor = gcd(fromHz, toHz);
  return new Stage(toHz / divisor, fromHz / divisor, pass, stop);
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
