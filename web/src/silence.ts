/** Which parts of the audio are silent; as `SilenceMeter` in src/earmark/audio/silence.py. */

import { join } from "./bytes";
import { type Conditioning, type InputSpec, repeats } from "./card";

const FITS_PER_SECOND = 40;
const FIT_DEGREE = 5;
const FITS_PER_STEP = 4;
const LEAST_FIT_SAMPLES = 2 * FIT_DEGREE;
const REPORTED_SHARE = 0.1;

/** Energy of the audio in steps of 0.1 s, from which follows what of it is silent. Nothing is without conditioning. */
export class SilenceMeter {
  /** Length of a step. */
  readonly stepSamples: number;
  private readonly conditioning: Conditioning | null;
  private nMeasured = 0;
  private readonly lengths: number[] = [];
  private readonly energies: number[] = [];
  private rest = new Float32Array(0);

  constructor(private readonly spec: InputSpec) {
    this.conditioning = spec.conditioning ?? null;
    this.stepSamples = FITS_PER_STEP * fitSamples(spec.sample_rate_hz);
  }

  /** Length of the audio so far. */
  get nSamples(): number {
    return this.nMeasured + this.rest.length;
  }

  /** The next samples, mono, at the model's rate. */
  add(samples: Float32Array): void {
    if (!this.conditioning) return;
    const whole = join(this.rest, samples);
    let at = 0;
    for (; at + this.stepSamples <= whole.length; at += this.stepSamples) {
      this.addStep(this.stepSamples, energyOf(whole.subarray(at, at + this.stepSamples), this.spec.sample_rate_hz));
    }
    this.rest = whole.slice(at);
  }

  /** The next step, which is measured already; it may be shorter. Not to be mixed with `add`. */
  addStep(nSamples: number, energy: number): void {
    this.nMeasured += nSamples;
    this.lengths.push(nSamples);
    this.energies.push(energy);
  }

  /** Of each step of 0.1 s, whether it is not silent; the last may be shorter. */
  audible(): boolean[] {
    if (!this.conditioning || !this.nSamples) return [];
    const last = this.rest.length ? [energyOf(this.rest, this.spec.sample_rate_hz)] : [];
    const energies = [...this.energies, ...last];
    const loudest = energies.reduce((a, b) => Math.max(a, b), 0);
    if (loudest < 10 ** (this.conditioning.silence_dbfs / 10)) return energies.map(() => false);
    const least = loudest * 10 ** (-this.conditioning.silence_range_db / 10);
    return energies.map((energy) => energy >= least);
  }

  /** Length of the silent parts. */
  silentSeconds(): number {
    const edges = this.edges();
    const silent = this.audible().reduce((sum, is, step) => sum + (is ? 0 : edges[step + 1]! - edges[step]!), 0);
    return silent / this.spec.sample_rate_hz;
  }

  /** What a user should know, at the end of the file; of which some silence was not added. */
  warnings(leftOutSeconds = 0): string[] {
    if (!this.conditioning) return [];
    const sound = this.nSamples / this.spec.sample_rate_hz;
    const silent = this.silentSeconds() + leftOutSeconds;
    const whole = sound + leftOutSeconds;
    if (!this.audible().includes(true)) {
      return [`silent: nothing above ${this.conditioning.silence_dbfs} dBFS, so it has no tags`];
    }
    const found: string[] = [];
    if (silent >= REPORTED_SHARE * whole) {
      found.push(`silent for ${fixed(silent, 1)} of ${fixed(whole, 1)} s, which do not count`);
    }
    if (this.nSamples < this.spec.window_samples) {
      const window = fixed(this.spec.window_samples / this.spec.sample_rate_hz, 1);
      found.push(`short: ${fixed(sound, 1)} s, repeated to fill a window of ${window} s`);
    }
    return found;
  }

  /** What windows count for, 0..1: their share that is not silent and in no window before; null without conditioning. */
  weights(starts: readonly number[]): Float32Array | null {
    if (!this.conditioning) return null;
    const audible = this.audible();
    const edges = this.edges();
    const covered = [0]; // samples that are not silent, up to each step
    audible.forEach((is, step) => {
      covered.push(covered[step]! + (is ? edges[step + 1]! - edges[step]! : 0));
    });
    const size = this.spec.window_samples;
    if (repeats(this.nSamples, this.spec)) {
      const share = covered.at(-1)! / this.nSamples; // all windows hold the same
      return new Float32Array(starts.length).fill(share);
    }
    const coveredAt = (at: number): number => {
      const step = Math.max(
        0,
        edges.findLastIndex((edge) => edge < at),
      );
      return covered[step]! + (audible[step] ? at - edges[step]! : 0);
    };
    let before = 0;
    return Float32Array.from(starts, (start) => {
      const end = Math.min(start + size, this.nSamples);
      const nAudible = coveredAt(end) - coveredAt(Math.max(start, before));
      before = end;
      return nAudible / size;
    });
  }

  /** Where the steps begin, and where the last one ends, in samples. */
  private edges(): number[] {
    const edges = [0];
    for (const n of this.lengths) edges.push(edges.at(-1)! + n);
    if (this.rest.length) edges.push(edges.at(-1)! + this.rest.length);
    return edges;
  }
}

/** Samples of the parts in which rumble is estimated. */
export function fitSamples(rateHz: number): number {
  return Math.max(LEAST_FIT_SAMPLES, Math.floor(rateHz / FITS_PER_SECOND));
}

/** Mean square of samples, of any number but 0, without offset and rumble; the last part is moved back. */
export function energyOf(samples: Float32Array, rateHz: number): number {
  const size = Math.min(fitSamples(rateHz), samples.length);
  const nParts = Math.ceil(samples.length / size);
  let squares = 0;
  for (let part = 0; part < nParts; part++) {
    const from = Math.min(part * size, samples.length - size);
    squares += squaresOf(samples.subarray(from, from + size));
  }
  return squares / (nParts * size);
}

/** Sum of squares without the nearest polynomial of degree 5. */
function squaresOf(part: Float32Array): number {
  const rest = Float64Array.from(part);
  for (const polynomial of fitsOf(part.length)) takeAway(rest, polynomial, part.length);
  let squares = 0;
  for (let i = 0; i < rest.length; i++) squares += rest[i]! ** 2;
  return squares;
}

/** Takes from `x` what of its first `size` is along `direction`, which is of length 1. */
function takeAway(x: Float64Array, direction: Float64Array, size: number): void {
  let share = 0;
  for (let i = 0; i < size; i++) share += x[i]! * direction[i]!;
  for (let i = 0; i < x.length; i++) x[i]! -= share * direction[i]!;
}

const fits = new Map<number, Float64Array[]>();

/** The polynomials up to degree 5. */
export function fitsOf(size: number): Float64Array[] {
  if (!fits.has(size)) fits.set(size, polynomials(size, FIT_DEGREE));
  return fits.get(size)!;
}

/** Orthonormal over `size` places, and their values at the place behind. */
export function polynomials(size: number, degree: number): Float64Array[] {
  const found: Float64Array[] = [];
  for (let n = 0; n <= Math.min(degree, size - 1); n++) {
    const last = found.at(-1);
    const next = Float64Array.from({ length: size + 1 }, (_, i) => (last ? last[i]! * ((2 * i) / (size - 1) - 1) : 1));
    for (const other of found) takeAway(next, other, size); // Gram and Schmidt
    const norm = Math.sqrt(next.subarray(0, size).reduce((sum, x) => sum + x * x, 0));
    found.push(next.map((x) => x / norm));
  }
  return found;
}

/** A number with so many decimals, halves to the even digit, as Python prints it. */
export function fixed(x: number, decimals: number): string {
  const isHalf = (x * 2 ** (decimals + 1)) % 2 === 1; // only these can be exact halves in binary
  const up = x.toFixed(decimals);
  return isHalf && Number(up.at(-1)) % 2 ? (x - 0.5 * 10 ** -decimals).toFixed(decimals) : up;
}
