/** Audio without its silences; exactly as src/earmark/audio/sound.py, which says how. */

import { join } from "./bytes";
import type { Conditioning, InputSpec } from "./card";
import { SilenceMeter, STEP_SECONDS } from "./silence";

const LONGEST_PAUSE_SECONDS = 0.5;
const LEAST_LEVEL_SECONDS = 0.001;
const END_SECONDS = 0.005;
const EDGE_SHARE = 0.01;
const ONSET_SHARE = 0.03;
const ONSET_SECONDS = 0.015;

/** Takes samples block by block, returns the sound as soon as it is known what of it is silent. */
export class SoundStream {
  nSamples = 0;
  nGiven = 0;
  /** First sample of each silence that was left out, and of what follows; complete after `finish`. */
  leftOut: [begin: number, end: number][] = [];
  readonly meter: SilenceMeter;
  private readonly conditioning: Conditioning | null;
  private readonly splitter: Splitter;
  private readonly stepSamples: number;
  private readonly endSamples: number;
  private rest = new Float32Array(0);
  private ahead: { samples: Float32Array; energy: number }[] = [];
  private nAhead = 0;
  private loudest = 0;
  private isFirst = true;
  private beginning: Float32Array[] = []; // at most a window and a block

  constructor(private readonly spec: InputSpec) {
    this.conditioning = spec.conditioning ?? null;
    this.meter = new SilenceMeter(spec);
    this.splitter = new Splitter(spec.sample_rate_hz);
    this.endSamples = Math.round(spec.sample_rate_hz * END_SECONDS);
    this.stepSamples = Math.max(1, Math.round(spec.sample_rate_hz * STEP_SECONDS));
  }

  push(block: Float32Array): Float32Array {
    if (!this.conditioning) {
      this.nSamples += block.length;
      return this.given([block]);
    }
    if (this.nSamples < this.spec.window_samples) this.beginning.push(block);
    this.nSamples += block.length;
    const samples = join(this.rest, block);
    const nWhole = Math.floor(samples.length / this.stepSamples) * this.stepSamples;
    this.rest = samples.slice(nWhole);
    const parts: Float32Array[] = [];
    for (let at = 0; at < nWhole; at += this.stepSamples) {
      const step = samples.subarray(at, at + this.stepSamples);
      parts.push(...this.add(step, this.isFirst ? step.subarray(this.endSamples) : step));
      this.isFirst = false;
    }
    return this.given(parts);
  }

  /** The end of the audio. Of audio that is all silent its beginning is given, up to one window. */
  finish(): Float32Array {
    if (!this.conditioning) return new Float32Array(0);
    const last = this.ahead.pop();
    if (last) this.nAhead -= last.samples.length;
    const rest = last ? join(last.samples, this.rest) : this.rest;
    const first = this.isFirst ? this.endSamples : 0;
    const isLong = rest.length > 2 * this.endSamples;
    const inner = isLong ? rest.subarray(first, Math.max(first + 1, rest.length - this.endSamples)) : rest;
    const parts = rest.length ? this.add(rest, inner) : [];
    parts.push(...this.judge(0), ...this.splitter.finish());
    this.leftOut = this.splitter.leftOut;
    const nSound = parts.reduce((n, part) => n + part.length, this.nGiven);
    if (nSound > 0) return this.given(parts);
    const beginning = join(...this.beginning).subarray(0, this.spec.window_samples);
    this.leftOut = beginning.length < this.nSamples ? [[beginning.length, this.nSamples]] : [];
    return this.given([beginning]);
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

  private given(parts: Float32Array[]): Float32Array {
    const sound = parts.length === 1 ? parts[0]! : join(...parts);
    this.meter.add(sound);
    this.nGiven += sound.length;
    return sound;
  }

  /** The next step, and that of it of which the energy counts. */
  private add(samples: Float32Array, inner: Float32Array): Float32Array[] {
    const energy = meanSquare(inner);
    this.ahead.push({ samples, energy });
    this.nAhead += samples.length;
    this.loudest = Math.max(this.loudest, energy);
    return this.judge(this.spec.window_samples);
  }

  private judge(nLeft: number): Float32Array[] {
    const { silence_range_db, silence_dbfs } = this.conditioning!;
    const found: Float32Array[] = [];
    while (this.nAhead > nLeft) {
      const { samples, energy } = this.ahead.shift()!;
      this.nAhead -= samples.length;
      const isSilent =
        this.loudest < 10 ** (silence_dbfs / 10) || energy < this.loudest * 10 ** (-silence_range_db / 10);
      found.push(...this.splitter.add(samples, isSilent, Math.sqrt(this.loudest) * EDGE_SHARE));
    }
    return found;
  }
}

/** Takes steps in order, and gives back what is not left out; holds the last step of the sound, and pauses. */
class Splitter {
  leftOut: [begin: number, end: number][] = [];
  private position = 0;
  private held: Float32Array | null = null;
  private pause: Float32Array[] = [];
  private silentFrom: number | null = 0; // where the silence begins that is being left out
  private offset: number | null = null; // of the last silent step
  private least = 0;

  constructor(private readonly rateHz: number) {}

  add(samples: Float32Array, isSilent: boolean, least: number): Float32Array[] {
    const begin = this.position;
    this.position += samples.length;
    this.least = least;
    if (isSilent) {
      this.offset = mean(samples);
      if (this.silentFrom !== null) return [];
      this.pause.push(samples);
      return this.pauseSamples() >= Math.round(LONGEST_PAUSE_SECONDS * this.rateHz) ? this.endSound() : [];
    }
    let found: Float32Array[] = [];
    if (this.silentFrom === null) {
      found = [...(this.held ? [this.held] : []), ...this.pause];
      this.held = samples;
    } else {
      const edge = this.nSilent(samples, this.offset);
      if (begin + edge > this.silentFrom) this.leftOut.push([this.silentFrom, begin + edge]);
      this.silentFrom = null;
      this.held = samples.subarray(edge);
    }
    this.pause = [];
    return found;
  }

  finish(): Float32Array[] {
    const found = this.held ? this.endSound() : [];
    if (this.silentFrom !== null && this.position > this.silentFrom) {
      this.leftOut.push([this.silentFrom, this.position]);
    }
    return found;
  }

  private endSound(): Float32Array[] {
    const held = this.held!;
    const offset = this.pause.length ? mean(this.pause[0]!) : null;
    const end = held.length - this.nSilent(held.slice().reverse(), offset);
    this.silentFrom = this.position - this.pauseSamples() - (held.length - end);
    this.held = null;
    this.pause = [];
    return [held.subarray(0, end)];
  }

  private pauseSamples(): number {
    return this.pause.reduce((n, step) => n + step.length, 0);
  }

  /** How many samples at the beginning are no further from the offset than the least; 0 if all are. */
  private nSilent(samples: Float32Array, offset: number | null): number {
    if (offset === null) {
      const end = Math.round(END_SECONDS * this.rateHz);
      const inner = samples.subarray(end);
      const at = inner.length ? this.nSilent(inner, inner[0]!) : 0;
      return at >= Math.max(4, Math.round(LEAST_LEVEL_SECONDS * this.rateHz)) ? end + at : this.nSilent(samples, 0);
    }
    const at = samples.findIndex((sample) => Math.abs(sample - offset) >= this.least);
    if (at <= 0) return 0;
    const near = samples.subarray(at, at + Math.round(ONSET_SECONDS * this.rateHz));
    const most = near.reduce((peak, sample) => Math.max(peak, Math.abs(sample - offset)), 0);
    return at + near.findIndex((sample) => Math.abs(sample - offset) >= ONSET_SHARE * most);
  }
}

function mean(samples: Float32Array): number {
  return samples.reduce((sum, sample) => sum + sample, 0) / samples.length;
}

/** Mean square without the mean. */
function meanSquare(samples: Float32Array): number {
  const offset = mean(samples);
  return samples.reduce((sum, sample) => sum + (sample - offset) ** 2, 0) / samples.length;
}
