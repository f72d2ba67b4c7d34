/** How strongly each pitch sounds, and the tuning, for the key; exactly as src/earmark/tagging/tempo_key/pitch_features.py, which says how. */

import { join } from "../bytes";
import { hann, powers } from "../fft";
import { fromHalfFloats, toHalfFloats } from "./half_floats";

export const SAMPLE_RATE_HZ = 4_000;
export const N_SEMITONES = 66;

const WINDOW_SAMPLES = 4_096;
const HOP_SAMPLES = 2_048;
const FRAMES_PER_STEP = 4;
const STEP_SAMPLES = FRAMES_PER_STEP * HOP_SAMPLES;
const LOWEST_MIDI = 28;
const BINS_PER_SEMITONE = 5;
const N_BINS = N_SEMITONES * BINS_PER_SEMITONE;
const FAINTEST = 1e-5;
const LOWEST_TUNED = 16;
const N_CENTS = 100;
const SEMITONE_SHAPE = [0.3, 0.9, 1, 0.9, 0.3];
const HZ_PER_BIN = SAMPLE_RATE_HZ / WINDOW_SAMPLES;
const PITCH_OF_BIN_1 = 12 * Math.log2(HZ_PER_BIN / 440) + 69 - LOWEST_MIDI + 0.5;

const hzOf = (midi: number): number => 440 * 2 ** ((midi - 69) / 12);
const FIRST = Math.trunc(hzOf(LOWEST_MIDI - 0.5) / HZ_PER_BIN);
const END = Math.trunc(hzOf(LOWEST_MIDI + N_SEMITONES - 0.5) / HZ_PER_BIN) + 2;

export class PitchFeatures {
  /** Magnitude of the partials by their deviation from the scale of A4 = 440 Hz, from -50 cents. */
  readonly cents = new Float64Array(N_CENTS);
  private readonly window = hann(WINDOW_SAMPLES);
  private rest = new Float32Array(HOP_SAMPLES);
  private readonly kept: Uint16Array[] = [];

  get nSteps(): number {
    return this.kept.length;
  }

  /** Samples at 4 kHz, any number. */
  add(samples: Float32Array): void {
    const joined = join(this.rest, samples);
    const nWhole = Math.floor(Math.max(0, joined.length - HOP_SAMPLES) / STEP_SAMPLES) * STEP_SAMPLES;
    for (let at = 0; at < nWhole; at += STEP_SAMPLES)
      this.addStep(joined.subarray(at, at + STEP_SAMPLES + HOP_SAMPLES));
    this.rest = nWhole ? joined.slice(nWhole) : joined;
  }

  /** The audio has ended: half a second and more of what waits is a step, too. */
  finish(): void {
    const nFrames = Math.floor(this.rest.length / HOP_SAMPLES) - 1;
    if (nFrames > 0) this.addStep(this.rest.subarray(0, (nFrames + 1) * HOP_SAMPLES));
  }

  /** How strongly each fifth of a semitone sounds in each step of two seconds; they add up to 1. */
  steps(): Float32Array {
    const steps = new Float32Array(this.kept.length * N_BINS);
    this.kept.forEach((step, i) => {
      fromHalfFloats(step, steps, i * N_BINS);
    });
    return steps;
  }

  private addStep(samples: Float32Array): void {
    const nFrames = samples.length / HOP_SAMPLES - 1;
    const step = new Float64Array(N_BINS);
    const frames = [new Float64Array(WINDOW_SAMPLES), new Float64Array(WINDOW_SAMPLES)] as const;
    for (let frame = 0; frame < nFrames; frame += 2) {
      frames.forEach((values, which) => {
        const begin = (frame + which) * HOP_SAMPLES;
        for (let i = 0; i < WINDOW_SAMPLES; i++) values[i] = (samples[begin + i] ?? 0) * this.window[i]!;
      });
      powers(...frames);
      this.addFrame(frames[0], step, nFrames);
      if (frame + 1 < nFrames) this.addFrame(frames[1], step, nFrames);
    }
    this.kept.push(toHalfFloats(step));
  }

  /** Adds the partials of a frame to its step, of so many frames, and to the cents. */
  private addFrame(power: Float64Array, step: Float64Array, nFrames: number): void {
    let loudest = 0;
    for (let bin = FIRST - 1; bin <= END; bin++) loudest = Math.max(loudest, power[bin]!);
    const least = loudest * FAINTEST + 1e-20;
    const strengths = new Float64Array(N_BINS);
    let sum = 0;
    for (let bin = FIRST; bin < END; bin++) {
      const size = power[bin]!;
      if (!(size > power[bin - 1]! && size >= power[bin + 1]! && size > least)) continue;
      const left = Math.log(power[bin - 1]! + 1e-30);
      const middle = Math.log(size + 1e-30);
      const right = Math.log(power[bin + 1]! + 1e-30);
      const shift = (left - right) / Math.min(2 * (left - 2 * middle + right), -1e-6);
      const pitch = Math.fround(12 * Math.log2(bin + shift) + PITCH_OF_BIN_1);
      const where = Math.floor(Math.fround(pitch * BINS_PER_SEMITONE));
      if (where < 0 || where >= N_BINS) continue;
      const strength = Math.sqrt(Math.sqrt(size));
      strengths[where]! += strength;
      sum += strength;
      if (pitch < LOWEST_TUNED) continue;
      this.cents[Math.trunc(Math.fround(pitch * 100)) % N_CENTS]! += Math.sqrt(size / Math.max(loudest, 1e-20));
    }
    strengths.forEach((strength, i) => {
      step[i]! += strength / Math.max(sum, 1e-20) / nFrames;
    });
  }
}

/** Deviation of most partials from A4 = 440 Hz in cents, -50 to 50; 0 where there are none. */
export function tuningCents(cents: Float64Array): number {
  if (!cents.some(Boolean)) return 0;
  const half = N_CENTS / 2;
  const kernel = Array.from({ length: N_CENTS }, (_, i) => Math.exp(-0.5 * ((((i + half) % N_CENTS) - half) / 6) ** 2));
  const smooth = Array.from({ length: N_CENTS }, (_, i) =>
    cents.reduce((sum, cent, j) => sum + cent * kernel[(i - j + N_CENTS) % N_CENTS]!, 0),
  );
  const at = smooth.indexOf(Math.max(...smooth));
  const left = smooth[(at + N_CENTS - 1) % N_CENTS]!;
  const right = smooth[(at + 1) % N_CENTS]!;
  const shift = (0.5 * (left - right)) / Math.min(left - 2 * smooth[at]! + right, -1e-12);
  return ((at + 0.5 + shift + N_CENTS) % N_CENTS) - half;
}

/** How strongly each semitone sounds in each step, from E1, with a tuning of so many cents removed. */
export function tunedPitches(steps: Float32Array, tuning: number): Float32Array {
  const nSteps = steps.length / N_BINS;
  const shift = (tuning / 100) * BINS_PER_SEMITONE;
  const whole = Math.floor(shift);
  const part = shift - whole;
  const pitches = new Float32Array(nSteps * N_SEMITONES);
  const at = (step: number, bin: number): number => (bin < 0 || bin >= N_BINS ? 0 : steps[step * N_BINS + bin]!);
  for (let step = 0; step < nSteps; step++) {
    for (let semitone = 0; semitone < N_SEMITONES; semitone++) {
      pitches[step * N_SEMITONES + semitone] = SEMITONE_SHAPE.reduce((sum, weight, i) => {
        const bin = semitone * BINS_PER_SEMITONE + i + whole;
        return sum + weight * ((1 - part) * at(step, bin) + part * at(step, bin + 1));
      }, 0);
    }
  }
  return pitches;
}
