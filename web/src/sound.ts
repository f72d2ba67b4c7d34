/** Audio without its silences; exactly as src/earmark/audio/sound.py, which says how. */

import { join } from "./bytes";
import type { Conditioning, InputSpec } from "./card";
import { energyOf, fitSamples, polynomials, SilenceMeter } from "./silence";

const LONGEST_PAUSE_SECONDS = 0.5;
const LEAST_LEVEL_SECONDS = 0.00125;
const END_SECONDS = 0.005;
const EDGE_SHARE = 0.01;
const FAINT_SHARE = 0.1;
const FORECAST_SECONDS = 0.00625;
const FORECAST_DEGREE = 3;
const LEAST_FORECAST = 10; // samples
const ONSET_SHARE = 0.03;
const ONSET_SECONDS = 0.015;

interface Step {
  samples: Float32Array;
  energy: number;
}

/** Takes samples block by block, returns the sound as soon as it is known what of it is silent. */
export class SoundStream {
  nSamples = 0;
  nGiven = 0;
  /** First sample of each silence that was left out, and of what follows; complete after `finish`. */
  leftOut: [begin: number, end: number][] = [];
  readonly meter: SilenceMeter;
  private readonly conditioning: Conditioning | null;
  private readonly splitter: Splitter;
  private readonly endSamples: number;
  private rest = new Float32Array(0);
  private ahead: Step[] = [];
  private nAhead = 0;
  private loudest = 0;
  private isFirst = true;
  private beginning: Step[] = []; // one window
  private nBegun = 0;

  constructor(private readonly spec: InputSpec) {
    this.conditioning = spec.conditioning ?? null;
    this.meter = new SilenceMeter(spec);
    this.splitter = new Splitter(spec.sample_rate_hz);
    this.endSamples = fitSamples(spec.sample_rate_hz);
  }

  push(block: Float32Array): Float32Array {
    if (!this.conditioning) {
      this.nSamples += block.length;
      this.nGiven += block.length;
      return block;
    }
    this.nSamples += block.length;
    const samples = join(this.rest, block);
    const size = this.meter.stepSamples;
    const nWhole = Math.max(0, Math.floor(samples.length / size) - 1) * size;
    this.rest = samples.slice(nWhole);
    const parts: Step[] = [];
    for (let at = 0; at < nWhole; at += size) {
      const step = samples.subarray(at, at + size);
      parts.push(...this.add(step, this.isFirst ? step.subarray(this.endSamples) : step));
      this.isFirst = false;
    }
    return this.given(parts);
  }

  /** The end of the audio. Of audio that is all silent its beginning is given, up to one window. */
  finish(): Float32Array {
    if (!this.conditioning) return new Float32Array(0);
    const { rest } = this;
    const end = Math.min(this.endSamples, Math.floor(rest.length / 4));
    const inner = rest.subarray(this.isFirst ? end : 0, rest.length - end);
    const parts = rest.length ? this.add(rest, inner) : [];
    const sound = this.given([...parts, ...this.judge(0), ...this.splitter.finish()]);
    this.leftOut = this.splitter.leftOut;
    if (this.nGiven > 0) return sound;
    this.leftOut = this.nBegun < this.nSamples ? [[this.nBegun, this.nSamples]] : [];
    return this.given(this.beginning);
  }

  /** Where a sample of the sound is in the audio; one on a joint behind the silence. */
  at(sample: number): number {
    let place = sample;
    for (const [begin, end] of this.leftOut) if (begin <= place) place += end - begin;
    return place;
  }

  silentSeconds(): number {
    return this.leftOutSeconds() + this.meter.silentSeconds();
  }

  warnings(): string[] {
    return this.meter.warnings(this.leftOutSeconds());
  }

  private leftOutSeconds(): number {
    return this.leftOut.reduce((sum, [begin, end]) => sum + end - begin, 0) / this.spec.sample_rate_hz;
  }

  private given(parts: Step[]): Float32Array {
    for (const { samples, energy } of parts) this.meter.addStep(samples.length, energy);
    const sound = join(...parts.map((part) => part.samples));
    this.nGiven += sound.length;
    return sound;
  }

  /** The next step, and that of it of which the energy counts. */
  private add(samples: Float32Array, inner: Float32Array): Step[] {
    const energy = energyOf(inner, this.spec.sample_rate_hz);
    if (this.nBegun < this.spec.window_samples) {
      const begun = samples.subarray(0, this.spec.window_samples - this.nBegun);
      this.beginning.push({ samples: begun, energy });
      this.nBegun += begun.length;
    }
    this.ahead.push({ samples, energy });
    this.nAhead += samples.length;
    this.loudest = Math.max(this.loudest, energy);
    return this.judge(this.spec.window_samples);
  }

  private judge(nLeft: number): Step[] {
    const { silence_range_db, silence_dbfs } = this.conditioning!;
    const found: Step[] = [];
    while (this.ahead.length) {
      const step = this.ahead[0]!;
      const isSilent =
        this.loudest < 10 ** (silence_dbfs / 10) || step.energy < this.loudest * 10 ** (-silence_range_db / 10);
      if (this.nAhead <= (this.splitter.inSilence && !isSilent ? 2 * nLeft : nLeft)) break;
      this.ahead.shift();
      this.nAhead -= step.samples.length;
      found.push(...this.splitter.add(step, isSilent, Math.sqrt(this.loudest) * EDGE_SHARE));
    }
    return found;
  }
}

/** Takes steps in order, and gives back what is not left out; holds the last step of the sound, and pauses. */
class Splitter {
  leftOut: [begin: number, end: number][] = [];
  private position = 0;
  private last: Step | null = null;
  private pause: Step[] = [];
  private faint: Step[] = []; // steps behind a silence that may belong to it
  private silentFrom: number | null = 0; // where the silence begins that is being left out
  private before: Float32Array | null = null; // the last silent step
  private least = 0;

  constructor(private readonly rateHz: number) {}

  add(step: Step, isSilent: boolean, least: number): Step[] {
    let begin = this.position;
    this.position += step.samples.length;
    this.least = least;
    const longestPause = Math.round(LONGEST_PAUSE_SECONDS * this.rateHz);
    if (isSilent) {
      this.before = step.samples;
      this.faint = [];
      if (this.silentFrom !== null) return [];
      this.pause.push(step);
      return nSamples(this.pause) >= longestPause ? this.endSound() : [];
    }
    let found: Step[] = [];
    if (this.silentFrom === null) {
      found = [...(this.last ? [this.last] : []), ...this.pause];
      this.last = step;
    } else {
      let edge = this.nSilent(step.samples, this.faint.at(-1)?.samples ?? this.before, least);
      let steps = [step];
      if (edge === null) {
        this.faint.push(step);
        steps = this.faint;
        begin = this.position - nSamples(steps);
        if (this.position - begin < longestPause) return [];
        edge = this.nSilent(steps[0]!.samples, this.before, least * FAINT_SHARE) ?? 0;
      }
      if (begin + edge > this.silentFrom) this.leftOut.push([this.silentFrom, begin + edge]);
      this.silentFrom = null;
      found = [{ samples: steps[0]!.samples.subarray(edge), energy: steps[0]!.energy }, ...steps.slice(1)];
      this.last = found.pop()!;
    }
    this.pause = [];
    this.faint = [];
    return found;
  }

  /** Does the next step follow what is left out? */
  get inSilence(): boolean {
    return this.silentFrom !== null;
  }

  finish(): Step[] {
    const found = this.last ? this.endSound() : [];
    if (this.silentFrom !== null && this.position > this.silentFrom) {
      this.leftOut.push([this.silentFrom, this.position]);
    }
    return found;
  }

  private endSound(): Step[] {
    const { samples, energy } = this.last!;
    const behind = this.pause.length ? this.pause[0]!.samples.slice().reverse() : null;
    const reversed = samples.slice().reverse();
    const nSilent =
      this.nSilent(reversed, behind, this.least) ?? this.nSilent(reversed, behind, this.least * FAINT_SHARE);
    const end = nSilent === null ? 0 : samples.length - nSilent;
    this.silentFrom = this.position - nSamples(this.pause) - (samples.length - end);
    this.last = null;
    this.pause = [];
    return end ? [{ samples: samples.subarray(0, end), energy }] : [];
  }

  /** How many samples at the beginning go on as the silence before; null if all do. */
  private nSilent(samples: Float32Array, before: Float32Array | null, least: number): number | null {
    const most = Math.max(LEAST_FORECAST, Math.round(FORECAST_SECONDS * this.rateHz));
    if (before) {
      return this.edge(forecastErrors(samples, before.subarray(Math.max(0, before.length - most)), most), least);
    }
    const leastLevel = Math.max(LEAST_FORECAST + 4, Math.round(LEAST_LEVEL_SECONDS * this.rateHz));
    for (const start of [Math.round(END_SECONDS * this.rateHz), 0]) {
      const at = this.edge(forecastErrors(samples.subarray(start), new Float32Array(0), most), least);
      if (at === null || at >= leastLevel) return at === null ? null : start + at;
    }
    return this.edge(samples, least);
  }

  /** The first sample of sound; null if there is none. */
  private edge(samples: Float32Array | Float64Array, least: number): number | null {
    const sizes = Float64Array.from(samples, Math.abs);
    const at = sizes.findIndex((size) => size >= least);
    if (at <= 0) return at ? null : 0;
    const near = sizes.subarray(at, at + Math.round(ONSET_SECONDS * this.rateHz));
    const most = near.reduce((a, b) => Math.max(a, b), 0);
    return at + near.findIndex((size) => size >= ONSET_SHARE * most);
  }
}

function nSamples(steps: readonly Step[]): number {
  return steps.reduce((n, step) => n + step.samples.length, 0);
}

/** How far each sample is from the cubic through those before it. */
function forecastErrors(samples: Float32Array, before: Float32Array, most: number): Float64Array {
  const whole = join(before, samples);
  const errors = new Float64Array(whole.length);
  const first = Math.max(LEAST_FORECAST, Math.min(before.length, most));
  // Through as many as there are, but only of as many kinds as there are doublings.
  for (let from = first; from < whole.length; ) {
    const size = Math.min(from, most);
    const end = size === most ? whole.length : Math.min(2 * from, whole.length);
    const filter = forecastFilter(size);
    for (let i = from; i < end; i++) {
      let error = whole[i]!;
      for (let k = 0; k < size; k++) error -= filter[k]! * whole[i - size + k]!;
      errors[i] = error;
    }
    from = end;
  }
  return errors.subarray(before.length);
}

const filters = new Map<number, Float64Array>();

/** What of each of `size` samples is in the value that the nearest cubic has behind them. */
function forecastFilter(size: number): Float64Array {
  let filter = filters.get(size);
  if (!filter) {
    const behind = polynomials(size, FORECAST_DEGREE);
    filter = Float64Array.from({ length: size }, (_, i) =>
      behind.reduce((sum, polynomial) => sum + polynomial[i]! * polynomial[size]!, 0),
    );
    filters.set(size, filter);
  }
  return filter;
}
