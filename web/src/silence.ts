/** Which parts of the audio are silent; as `SilenceMeter` in src/earmark/audio/silence.py. */

import type { Conditioning, InputSpec } from "./card";

const STEP_SECONDS = 0.1;
const REPORTED_SHARE = 0.1;

/** Samples from the first to the last that is not silent; at least one. */
export function trimSilence(samples: Float32Array, conditioning: Conditioning): Float32Array {
  const mean = samples.reduce((sum, sample) => sum + sample, 0) / samples.length; // an offset is no sound
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample - mean)), 0);
  const least = peak * 10 ** (-conditioning.silence_range_db / 20);
  const audible = (sample: number): boolean => Math.abs(sample - mean) >= least;
  return samples.subarray(samples.findIndex(audible), samples.findLastIndex(audible) + 1);
}

/** Energy of the audio in steps of 0.1 s, from which follows what of it is silent. Nothing is without conditioning. */
export class SilenceMeter {
  nSamples = 0;
  private readonly conditioning: Conditioning | null;
  private readonly stepSamples: number;
  private readonly energies: number[] = [];
  // Of the step that is not complete.
  private filled = 0;
  private total = 0;
  private squares = 0;

  constructor(private readonly spec: InputSpec) {
    this.conditioning = spec.conditioning ?? null;
    this.stepSamples = Math.max(1, Math.round(spec.sample_rate_hz * STEP_SECONDS));
  }

  /** The next samples, mono, at the model's rate. */
  add(samples: Float32Array): void {
    if (!this.conditioning) return;
    this.nSamples += samples.length;
    for (let i = 0; i < samples.length; i++) {
      const sample = samples[i]!;
      this.total += sample;
      this.squares += sample * sample;
      this.filled += 1;
      if (this.filled === this.stepSamples) {
        this.energies.push(this.energy());
        this.filled = 0;
        this.total = 0;
        this.squares = 0;
      }
    }
  }

  /** Of each step of 0.1 s, whether it is not silent; the last may be shorter. */
  audible(): boolean[] {
    if (!this.conditioning || !this.nSamples) return [];
    const energies = this.filled ? [...this.energies, this.energy()] : this.energies;
    const loudest = energies.reduce((a, b) => Math.max(a, b), 0);
    if (loudest < 10 ** (this.conditioning.silence_dbfs / 10)) return energies.map(() => false);
    const least = loudest * 10 ** (-this.conditioning.silence_range_db / 10);
    return energies.map((energy) => energy >= least);
  }

  /** Length of the silent parts. */
  silentSeconds(): number {
    const audible = this.audible();
    let silent = 0;
    audible.forEach((is, step) => {
      if (!is) silent += Math.min(this.stepSamples, this.nSamples - step * this.stepSamples);
    });
    return silent / this.spec.sample_rate_hz;
  }

  /** What a user should know, at the end of the file. */
  warnings(): string[] {
    if (!this.conditioning) return [];
    const silent = this.silentSeconds();
    const whole = this.nSamples / this.spec.sample_rate_hz;
    if (!this.audible().includes(true)) {
      return [`silent: nothing above ${this.conditioning.silence_dbfs} dBFS, so it has no tags`];
    }
    const found: string[] = [];
    if (silent >= REPORTED_SHARE * whole) {
      found.push(`silent for ${fixed(silent, 1)} of ${fixed(whole, 1)} s, which do not count`);
    }
    if (this.nSamples < this.spec.window_samples) {
      const window = fixed(this.spec.window_samples / this.spec.sample_rate_hz, 1);
      found.push(`short: ${fixed(whole, 1)} s, repeated to fill a window of ${window} s`);
    }
    return found;
  }

  /** What windows count for, 0..1: their share that is not silent and in no window before; null without conditioning. */
  weights(starts: readonly number[]): Float32Array | null {
    if (!this.conditioning) return null;
    const audible = this.audible();
    const covered = [0]; // samples that are not silent, up to each step
    audible.forEach((is, step) => {
      const end = Math.min((step + 1) * this.stepSamples, this.nSamples);
      covered.push(covered[step]! + (is ? end - step * this.stepSamples : 0));
    });
    const size = this.spec.window_samples;
    if (this.nSamples < size) {
      const share = covered.at(-1)! / Math.max(1, this.nSamples); // repeated: all windows hold the same
      return new Float32Array(starts.length).fill(share);
    }
    const coveredAt = (at: number): number => {
      const step = Math.min(audible.length - 1, Math.floor(at / this.stepSamples));
      return covered[step]! + (audible[step] ? at - step * this.stepSamples : 0);
    };
    let before = 0;
    return Float32Array.from(starts, (start) => {
      const end = Math.min(start + size, this.nSamples);
      const nAudible = coveredAt(end) - coveredAt(Math.max(start, before));
      before = end;
      return nAudible / size;
    });
  }

  /** Mean square of the step that is not complete, without its mean. */
  private energy(): number {
    return Math.max(0, this.squares / this.filled - (this.total / this.filled) ** 2);
  }
}

/** A number with so many decimals, halves to the even digit, as Python prints it. */
export function fixed(x: number, decimals: number): string {
  const isHalf = (x * 2 ** (decimals + 1)) % 2 === 1; // only these can be exact halves in binary
  const up = x.toFixed(decimals);
  return isHalf && Number(up.at(-1)) % 2 ? (x - 0.5 * 10 ** -decimals).toFixed(decimals) : up;
}
