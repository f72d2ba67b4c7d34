/**
 * A streaming resampler: a windowed sinc, one set of weights for each phase between input and output samples.
 *
 * Flat to 92 % of the lower Nyquist frequency, 96 dB down from there on: much the same curve as soxr's "HQ", which
 * the command line uses. Linear phase, no delay: output k lies at input time k * from / to.
 */

const PASS = 0.92;
const STOP_DB = 96;

export class Resampler {
  private readonly up: number;
  private readonly down: number;
  private readonly half: number; // weights on either side of the centre
  private readonly phases: Float32Array[] = [];
  private buffer: Float32Array; // input from sample `first` on
  private first: number;
  private nIn = 0;
  private nOut = 0;

  constructor(
    private readonly fromHz: number,
    private readonly toHz: number,
  ) {
    const divisor = gcd(fromHz, toHz);
    this.up = toHz / divisor;
    this.down = fromHz / divisor;
    const nyquist = Math.min(1, toHz / fromHz) / 2; // of the lower rate, in cycles per input sample
    const width = nyquist * (1 - PASS);
    this.half = 2 * Math.ceil((STOP_DB - 8) / (2.285 * 2 * Math.PI * width) / 4); // even: summed four at a time
    this.buffer = new Float32Array(this.half); // zeros before the beginning
    this.first = -this.half;
    this.makePhases(nyquist - width / 2);
  }

  /** The next block of input; gives all output that it decides. */
  push(block: Float32Array): Float32Array {
    if (this.fromHz === this.toHz) return block;
    this.nIn += block.length;
    this.append(block);
    return this.take(Math.floor(((this.nIn - this.half - 1) * this.up) / this.down) + 1);
  }

  /** The end: the output that is left, as if zeros followed. In all there are round(input * to / from) samples. */
  finish(): Float32Array {
    if (this.fromHz === this.toHz) return new Float32Array(0);
    this.append(new Float32Array(2 * this.half + 2));
    return this.take(Math.round((this.nIn * this.up) / this.down));
  }

  private take(end: number): Float32Array {
    const out = new Float32Array(Math.max(0, end - this.nOut));
    const { up, down, half, buffer, first, phases } = this;
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

  private append(block: Float32Array): void {
    const joined = new Float32Array(this.buffer.length + block.length);
    joined.set(this.buffer);
    joined.set(block, this.buffer.length);
    this.buffer = joined;
  }

  /** Weights for outputs that lie p / up after an input sample; the window is Kaiser's. */
  private makePhases(cutoff: number): void {
    if (this.fromHz === this.toHz) return;
    const beta = 0.1102 * (STOP_DB - 8.7);
    for (let p = 0; p < this.up; p++) {
      const weights = new Float64Array(2 * this.half);
      let sum = 0;
      for (let i = 0; i < weights.length; i++) {
        const t = i - this.half + 1 - p / this.up;
        const x = 2 * Math.PI * cutoff * t;
        const sinc = Math.abs(x) < 1e-9 ? 1 : Math.sin(x) / x;
        const edge = t / this.half;
        weights[i] = 2 * cutoff * sinc * (Math.abs(edge) < 1 ? bessel(beta * Math.sqrt(1 - edge * edge)) : 0);
        sum += weights[i]!;
      }
      this.phases.push(Float32Array.from(weights, (weight) => weight / sum)); // exactly 1 for a constant
    }
  }
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

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
