/** Which tempi are in an onset strength; exactly as src/earmark/tagging/tempo_key/tempogram.py, which says how. */

import { fft } from "../fft";
import { roundHalfEven } from "./half_floats";
import { FRAMES_PER_SECOND, N_BANDS } from "./onset_features";

export const N_BINS = 161;
export const N_ROWS = 2 * N_BANDS;

const WINDOW_FRAMES = 750;
const HOP_FRAMES = 375;
const MOST_WINDOWS = 64;
const WINDOWS_PER_SEGMENT = 4;
const LOWEST_BPM = 20;
const BINS_PER_OCTAVE = 30;
const REFINE_FRAMES = 1_875;
const REFINE_FFT_SIZE = 16_384;
const REFINE_STEP = 5e-4;
const REFINE_REACH = 0.03;
const MULTIPLES = [1, 2, 3, 4, 6, 8];

/** Beats per minute of a bin of a tempogram. */
export const binBpm = (bin: number): number => LOWEST_BPM * 2 ** (bin / BINS_PER_OCTAVE);

/** Places from 0 to `last`, spread evenly, of which the distance is `hop` but for rounding: at most 64. */
function startsOf(last: number, hop: number): number[] {
  const n = Math.min(MOST_WINDOWS, Math.floor(last / hop) + 1);
  return Array.from({ length: n }, (_, i) => (i && i === n - 1 ? last : roundHalfEven(i * (last / (n - 1 || 1)))));
}

/** Hann's window without the zeros at its ends. */
const taperOf = (n: number): Float64Array =>
  Float64Array.from({ length: n }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 1)) / (n + 1)));

let basis: { cosines: Float32Array; sines: Float32Array } | null = null;

/** Tapered cosines and sines of each tempo, one tempo after the other. */
function fourierBasis(): { cosines: Float32Array; sines: Float32Array } {
  if (basis) return basis;
  const taper = taperOf(WINDOW_FRAMES);
  const sum = taper.reduce((a, b) => a + b);
  const cosines = new Float32Array(N_BINS * WINDOW_FRAMES);
  const sines = new Float32Array(N_BINS * WINDOW_FRAMES);
  for (let bin = 0; bin < N_BINS; bin++) {
    for (let i = 0; i < WINDOW_FRAMES; i++) {
      const phase = (2 * Math.PI * (i / FRAMES_PER_SECOND) * binBpm(bin)) / 60;
      cosines[bin * WINDOW_FRAMES + i] = (Math.cos(phase) * taper[i]!) / sum;
      sines[bin * WINDOW_FRAMES + i] = (Math.sin(phase) * taper[i]!) / sum;
    }
  }
  basis = { cosines, sines };
  return basis;
}

/** Of each segment of four windows: Fourier magnitudes of each band, then autocorrelations, (nSegments, 12, 161). */
export function tempograms(onsets: Float32Array): { grams: Float32Array; nSegments: number } {
  const nFrames = onsets.length / N_BANDS;
  const starts = startsOf(Math.max(0, nFrames - WINDOW_FRAMES), HOP_FRAMES);
  const nSegments = Math.max(1, roundHalfEven(starts.length / WINDOWS_PER_SEGMENT));
  const grams = new Float32Array(nSegments * N_ROWS * N_BINS);
  // The first segments have one window more than the others, if they are not as many in each.
  const [each, nLonger] = [Math.floor(starts.length / nSegments), starts.length % nSegments];
  let window = 0;
  for (let segment = 0; segment < nSegments; segment++) {
    const gram = new Float64Array(N_ROWS * N_BINS);
    const nWindows = each + Number(segment < nLonger);
    for (const start of starts.slice(window, window + nWindows)) addWindow(onsets, start, gram);
    window += nWindows;
    gram.forEach((value, i) => {
      grams[segment * gram.length + i] = value / nWindows;
    });
  }
  return { grams, nSegments };
}

function addWindow(onsets: Float32Array, start: number, gram: Float64Array): void {
  const { cosines, sines } = fourierBasis();
  const values = new Float64Array(WINDOW_FRAMES);
  for (let band = 0; band < N_BANDS; band++) {
    for (let i = 0; i < WINDOW_FRAMES; i++) values[i] = onsets[(start + i) * N_BANDS + band] ?? 0;
    standardise(values);
    for (let bin = 0; bin < N_BINS; bin++) {
      const at = bin * WINDOW_FRAMES;
      let re = 0;
      let im = 0;
      for (let i = 0; i < WINDOW_FRAMES; i++) {
        re += values[i]! * cosines[at + i]!;
        im += values[i]! * sines[at + i]!;
      }
      gram[band * N_BINS + bin]! += 2 * Math.hypot(re, im);
    }
    const longest = Math.floor((FRAMES_PER_SECOND * 60) / LOWEST_BPM) + 1;
    const correlation = Float64Array.from({ length: longest + 1 }, (_, lag) => {
      let sum = 0;
      for (let i = lag; i < WINDOW_FRAMES; i++) sum += values[i]! * values[i - lag]!;
      return sum / (WINDOW_FRAMES - lag);
    });
    for (let bin = 0; bin < N_BINS; bin++) {
      gram[(N_BANDS + band) * N_BINS + bin]! += between(correlation, (FRAMES_PER_SECOND * 60) / binBpm(bin));
    }
  }
}

/** Without its mean, and divided by its standard deviation. */
function standardise(values: Float64Array): void {
  const mean = values.reduce((a, b) => a + b) / values.length;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
  values.forEach((x, i) => {
    values[i] = (x - mean) / (deviation + 1e-3);
  });
}

/** The value at a place between two. */
function between(values: Float64Array, place: number): number {
  const whole = Math.floor(place);
  const part = place - whole;
  return (1 - part) * values[whole]! + (part && part * values[whole + 1]!);
}

/** A tempo near `bpm` at which the whole recording is most periodic, with its multiples. */
export function refineBpm(onsets: Float32Array, bpm: number): number {
  const power = refinePower(onsets);
  const nFactors = 2 * Math.round(REFINE_REACH / REFINE_STEP) + 1;
  const factors = Array.from({ length: nFactors }, (_, i) => Math.exp(i * REFINE_STEP - REFINE_REACH));
  const binsPerBpm = REFINE_FFT_SIZE / 60 / FRAMES_PER_SECOND;
  const multiples = MULTIPLES.filter((m) => bpm * factors.at(-1)! * m * binsPerBpm < REFINE_FFT_SIZE / 2);
  const scores = factors.map((factor) =>
    multiples.reduce((sum, multiple) => sum + between(power, bpm * factor * multiple * binsPerBpm), 0),
  );
  const at = scores.indexOf(Math.max(...scores));
  if (at === 0 || at === nFactors - 1) return bpm;
  const [left, middle, right] = scores.slice(at - 1, at + 2) as [number, number, number];
  const shift = (0.5 * (left - right)) / Math.min(left - 2 * middle + right, -1e-12);
  return bpm * factors[at]! * Math.exp(shift * REFINE_STEP);
}

/** Powers of the sum of all bands, added up over windows of half a minute. */
function refinePower(onsets: Float32Array): Float64Array {
  const nFrames = onsets.length / N_BANDS;
  const signal = Float32Array.from({ length: nFrames }, (_, i) =>
    onsets.subarray(i * N_BANDS, (i + 1) * N_BANDS).reduce((a, b) => a + b, 0),
  );
  const size = Math.min(nFrames, REFINE_FRAMES);
  const starts = startsOf(nFrames - size, Math.max(Math.floor(size / 2), 1));
  const taper = taperOf(size);
  const power = new Float64Array(REFINE_FFT_SIZE / 2 + 1);
  for (let i = 0; i < starts.length; i += 2) {
    // Two real signals in one transform: their powers add up to those of both halves of its spectrum.
    const [re, im] = [new Float64Array(REFINE_FFT_SIZE), new Float64Array(REFINE_FFT_SIZE)];
    for (const [which, out] of [re, im].entries()) {
      const start = starts[i + which];
      if (start === undefined) continue;
      const window = signal.subarray(start, start + size);
      const mean = window.reduce((a, b) => a + b, 0) / size;
      window.forEach((value, k) => {
        out[k] = (value - mean) * taper[k]!;
      });
    }
    fft(re, im);
    for (let k = 0; k < power.length; k++) {
      const mirror = (REFINE_FFT_SIZE - k) % REFINE_FFT_SIZE;
      power[k]! += (re[k]! ** 2 + im[k]! ** 2 + re[mirror]! ** 2 + im[mirror]! ** 2) / 2;
    }
  }
  return power;
}
