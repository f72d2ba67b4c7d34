/** Which tempi are in an onset strength; exactly as src/earmark/tagging/tempo_key/tempogram.py, which says how. */

import { fft, powers } from "../fft";
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

/** Half of the window, from its middle on. */
const HALF_FRAMES = WINDOW_FRAMES / 2;
const LONGEST_LAG = Math.floor((FRAMES_PER_SECOND * 60) / LOWEST_BPM) + 1;
/** Enough for the lags that are used. */
const FFT_SIZE = 1_024;

let basis: { cosines: Float32Array; sines: Float32Array } | null = null;

/** Tapered cosines and sines of each tempo, one tempo after the other, from the middle of the window to its end. */
function fourierBasis(): { cosines: Float32Array; sines: Float32Array } {
  if (basis) return basis;
  const taper = taperOf(WINDOW_FRAMES);
  const sum = taper.reduce((a, b) => a + b);
  const cosines = new Float32Array(N_BINS * HALF_FRAMES);
  const sines = new Float32Array(N_BINS * HALF_FRAMES);
  for (let bin = 0; bin < N_BINS; bin++) {
    for (let i = 0; i < HALF_FRAMES; i++) {
      const phase = (2 * Math.PI * ((i + 0.5) / FRAMES_PER_SECOND) * binBpm(bin)) / 60;
      const weight = taper[HALF_FRAMES + i]! / sum;
      cosines[bin * HALF_FRAMES + i] = Math.cos(phase) * weight;
      sines[bin * HALF_FRAMES + i] = Math.sin(phase) * weight;
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
  for (let band = 0; band < N_BANDS; band += 2) {
    const both = [band, band + 1].map((one) => standardised(onsets, start, one)) as [Float64Array, Float64Array];
    both.forEach((values, i) => {
      addFourier(values, gram.subarray((band + i) * N_BINS));
    });
    autocorrelations(...both).forEach((correlation, i) => {
      const row = gram.subarray((N_BANDS + band + i) * N_BINS);
      for (let bin = 0; bin < N_BINS; bin++) row[bin]! += between(correlation, (FRAMES_PER_SECOND * 60) / binBpm(bin));
    });
  }
}

/** A band of a window, without its mean and divided by its standard deviation; beyond the audio are zeros. */
function standardised(onsets: Float32Array, start: number, band: number): Float64Array {
  const values = Float64Array.from({ length: WINDOW_FRAMES }, (_, i) => onsets[(start + i) * N_BANDS + band] ?? 0);
  const mean = values.reduce((a, b) => a + b) / WINDOW_FRAMES;
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / WINDOW_FRAMES);
  return values.map((x) => (x - mean) / (deviation + 1e-3));
}

/** Adds the Fourier magnitudes: of the parts that are even and odd about the middle, which does not change them, in half the time. */
function addFourier(values: Float64Array, row: Float64Array): void {
  const { cosines, sines } = fourierBasis();
  const even = new Float32Array(HALF_FRAMES);
  const odd = new Float32Array(HALF_FRAMES);
  for (let i = 0; i < HALF_FRAMES; i++) {
    even[i] = values[HALF_FRAMES + i]! + values[HALF_FRAMES - 1 - i]!;
    odd[i] = values[HALF_FRAMES + i]! - values[HALF_FRAMES - 1 - i]!;
  }
  for (let bin = 0; bin < N_BINS; bin++) {
    const from = bin * HALF_FRAMES;
    let re = 0;
    let im = 0;
    for (let i = 0; i < HALF_FRAMES; i++) {
      re += even[i]! * cosines[from + i]!;
      im += odd[i]! * sines[from + i]!;
    }
    row[bin]! += 2 * Math.sqrt(re * re + im * im);
  }
}

/** Means of the products of values so many frames apart, of two bands at once. */
function autocorrelations(first: Float64Array, second: Float64Array): [Float64Array, Float64Array] {
  const [re, im] = [new Float64Array(FFT_SIZE), new Float64Array(FFT_SIZE)];
  re.set(first);
  im.set(second);
  powers(re, im);
  for (let k = 1; k < FFT_SIZE / 2; k++) {
    re[FFT_SIZE - k] = re[k]!;
    im[FFT_SIZE - k] = im[k]!;
  }
  fft(re, im); // of what is real and even: its own inverse, but for the size
  const mean = (sum: number, lag: number): number => sum / FFT_SIZE / (WINDOW_FRAMES - lag);
  return [re.subarray(0, LONGEST_LAG + 1).map(mean), im.subarray(0, LONGEST_LAG + 1).map(mean)];
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
