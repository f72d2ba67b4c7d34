/**
 * Which channels of a file are used; as `Mixer` in src/earmark/audio/mixer.py, where the constants are explained.
 * Level, offset and rumble are left to the network.
 */

import type { Conditioning } from "./card";
import { fitsOf, fixed } from "./silence";

/** Samples of a channel that are mixed at a time; as in src/earmark/audio/frames.py. */
export const FRAME_SAMPLES = 65_536;

const SURELY_IN_PHASE = 0.6;
const FFT_SECONDS = 0.08;
const SEGMENTS = [8, 32] as const;
const LEAST_FFT_SAMPLES = 64;
const FIRST_BIN = 4;
const FITS_PER_SECOND = 20;
const FADE_SAMPLES = 1024;
const AS_LOUD = 0.99;
const RELEASE = 0.6;
const MEASURED_SECONDS = [10, 60] as const;
const LOUDER = 4;
const LEFT_OUT_SHARE = 1e-3;
const SILENT_CHANNEL_DB = 60;

const SHARES: Record<string, number> = {
  ...Object.fromEntries(["FC", "FLC", "FRC"].map((name) => [name, Math.SQRT2])),
  ...Object.fromEntries(["SL", "SR", "BL", "BR", "TFL", "TFR", "TBL", "TBR"].map((name) => [name, Math.SQRT1_2])),
  LFE: 0,
};

/**
 * Channels by their number, as `usual_channels` of Python. A browser's decoders give the number only, and put channels into the order of WAVE files; so
 * these are the layouts with which FFmpeg reads FLAC, Opus and Vorbis (the only ones there) and, but for four channels,
 * AAC. What counts differs little between layouts of the same number: the low-frequency channel is in the same place.
 * For WAVE files see `wavChannels`.
 */
const USUAL: Record<number, readonly string[]> = {
  3: ["FL", "FR", "FC"],
  4: ["FL", "FR", "BL", "BR"],
  5: ["FL", "FR", "FC", "BL", "BR"],
  6: ["FL", "FR", "FC", "LFE", "BL", "BR"],
  7: ["FL", "FR", "FC", "LFE", "BC", "SL", "SR"],
  8: ["FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"],
};

/** Shares of the channels in the mix to mono, which sum to 1. `channels`: null for the usual ones, empty for unknown. */
export function downmixShares(nChannels: number, channels: readonly string[] | null = null): Float32Array {
  const names = channels ?? USUAL[nChannels] ?? [];
  let counts = names.length === nChannels ? names.map((name) => SHARES[name] ?? 1) : [];
  if (!counts.some((count) => count > 0)) counts = new Array<number>(nChannels).fill(1);
  const sum = counts.reduce((a, b) => a + b);
  return Float32Array.from(counts, (count) => count / sum);
}

/**
 * Mixes the channels of one file to mono, frame by frame: their average, or the loudest alone where they cancel each
 * other. Without conditioning their plain mean.
 */
export class Mixer {
  /** Length of the frames in which one channel was used because channels cancel each other. */
  cancelledSeconds = 0;
  /** Length of those in which one was used because nothing sounds but low-frequency effects. */
  onlyLfeSeconds = 0;
  private onlyLfe = false;
  private energies = new Float64Array(0);
  private last: Float32Array | null = null;
  private alone: number | null = null;
  private seconds = 0;
  private measured: { lost: number; mixed: number; energy: number; seconds: number } | null = null;

  constructor(
    private readonly conditioning: Conditioning | null | undefined,
    private readonly channels: readonly string[] | null = null,
  ) {}

  /** The next frame: one array for each channel, all of the same length. */
  mix(samples: readonly Float32Array[], sampleRateHz: number): Float32Array<ArrayBuffer> {
    const nChannels = samples.length;
    const nSamples = samples[0]!.length;
    if (!this.conditioning || nChannels === 1) {
      return weightedSum(new Float32Array(nChannels).fill(1 / nChannels), samples);
    }
    let shares = downmixShares(nChannels, this.channels);
    const gram = covariances(samples, Math.max(1, Math.floor(sampleRateHz / FITS_PER_SECOND)));
    if (this.energies.length !== nChannels) {
      this.energies = new Float64Array(nChannels);
      this.last = null;
      this.alone = null;
      this.measured = null;
    }
    for (let i = 0; i < nChannels; i++) this.energies[i]! += gram[i]![i]!;
    this.choose(this.conditioning, samples, shares, gram, sampleRateHz);
    this.seconds += nSamples / sampleRateHz;
    if (this.alone !== null) {
      if (this.onlyLfe) this.onlyLfeSeconds += nSamples / sampleRateHz;
      else this.cancelledSeconds += nSamples / sampleRateHz;
      shares = new Float32Array(nChannels);
      shares[this.alone] = 1;
    }
    const mono = weightedSum(shares, samples);
    if (this.last?.some((share, i) => share !== shares[i])) {
      const n = Math.min(FADE_SAMPLES, nSamples);
      this.last.forEach((share, channel) => {
        const change = share - shares[channel]!;
        for (let i = 0; i < n; i++) mono[i]! += change * samples[channel]![i]! * (1 - i / Math.max(1, n - 1));
      });
    }
    this.last = shares;
    return mono;
  }

  /** What a user should know of the channels, at the end of the file. */
  warnings(): string[] {
    const found: string[] = [];
    if (this.cancelledSeconds) {
      const seconds = fixed(this.cancelledSeconds, 0);
      found.push(`channels cancel each other when mixed to mono: one channel was used for ${seconds} s`);
    }
    if (this.onlyLfeSeconds) {
      const seconds = fixed(this.onlyLfeSeconds, 0);
      found.push(`nothing but the channel of low-frequency effects for ${seconds} s: it was used there`);
    }
    const loudest = Math.max(0, ...this.energies);
    const nSilent = this.energies.filter((energy) => energy < loudest * 10 ** (-SILENT_CHANNEL_DB / 10)).length;
    if (nSilent && loudest) {
      found.push(`${nSilent} of ${this.energies.length} channels ${nSilent === 1 ? "is" : "are"} silent`);
    }
    return found;
  }

  /** Sets `alone`: the channel to be used alone, or null for the mix. */
  private choose(
    { cancelled_share: limit }: Conditioning,
    samples: readonly Float32Array[],
    shares: Float32Array,
    gram: readonly Float64Array[],
    sampleRateHz: number,
  ): void {
    const energies = gram.map((row, i) => row[i]!);
    let mixed = 0;
    let amplitude = 0;
    shares.forEach((share, i) => {
      amplitude += share * Math.sqrt(energies[i]!);
      shares.forEach((other, j) => {
        mixed += share * other * gram[i]![j]!;
      });
    });
    const inPhase = amplitude ** 2;
    const highest = Math.max(...energies);
    if (highest === 0) return;
    const loudestMixed = Math.max(...energies.filter((_, i) => shares[i] !== 0));
    this.onlyLfe = loudestMixed < LEFT_OUT_SHARE * highest;
    if (!this.onlyLfe && mixed >= SURELY_IN_PHASE * inPhase) {
      this.alone = null;
    } else if (
      this.onlyLfe ||
      this.lostShare(samples, shares, mixed / inPhase, sampleRateHz, energies) >
        (this.alone === null ? limit : limit * RELEASE)
    ) {
      if (this.alone === null || highest > 2 * energies[this.alone]!) {
        this.alone = energies.findIndex((energy) => energy > AS_LOUD * highest); // the first of those that are as loud
      }
    } else {
      this.alone = null;
    }
  }

  /** `lostShare`, measured now and then, and where the mix holds much more or less than it did then, or it is louder. */
  private lostShare(
    samples: readonly Float32Array[],
    shares: Float32Array,
    mixed: number,
    sampleRateHz: number,
    energies: readonly number[],
  ): number {
    const then = this.measured;
    const energy = energies.reduce((a, b) => a + b);
    const wait = then ? Math.min(MEASURED_SECONDS[1], Math.max(MEASURED_SECONDS[0], then.seconds)) : 0;
    if (
      then &&
      this.seconds - then.seconds < wait &&
      Math.abs(mixed - then.mixed) < 0.05 + then.mixed / 2 &&
      energy < LOUDER * then.energy
    ) {
      return then.lost;
    }
    const lost = lostShare(samples, shares, sampleRateHz);
    this.measured = { lost, mixed, energy, seconds: this.seconds };
    return lost;
  }
}

function weightedSum(shares: Float32Array, samples: readonly Float32Array[]): Float32Array<ArrayBuffer> {
  const mono = new Float32Array(samples[0]!.length);
  samples.forEach((channel, c) => {
    const share = shares[c]!;
    if (share) for (let i = 0; i < mono.length; i++) mono[i]! += channel[i]! * share;
  });
  return mono;
}

/** Sums of products of each two channels without offset and rumble, which is taken away in parts of `size` samples. */
function covariances(samples: readonly Float32Array[], size: number): Float64Array[] {
  const length = Math.min(size, samples[0]!.length);
  const n = Math.floor(samples[0]!.length / length) * length;
  const rumble = samples.map((channel) => {
    const shares: number[] = [];
    for (let from = 0; from < n; from += length) {
      for (const polynomial of fitsOf(length)) {
        let share = 0;
        for (let k = 0; k < length; k++) share += channel[from + k]! * polynomial[k]!;
        shares.push(share);
      }
    }
    return shares;
  });
  const out = samples.map(() => new Float64Array(samples.length));
  samples.forEach((a, i) => {
    for (let j = 0; j <= i; j++) {
      const b = samples[j]!;
      let products = 0;
      for (let k = 0; k < n; k++) products += a[k]! * b[k]!;
      const value = rumble[i]!.reduce((rest, share, k) => rest - share * rumble[j]![k]!, products);
      out[i]![j] = i === j ? Math.max(0, value) : value;
      out[j]![i] = out[i]![j]!;
    }
  });
  return out;
}

/**
 * Share, 0..1, of the sound that a mix of channels loses because they differ in phase, from their cross-spectra without
 * what these hold by chance; as in src/earmark/audio/phase_loss.py.
 */
export function lostShare(samples: readonly Float32Array[], shares: Float32Array, sampleRateHz: number): number {
  const used = samples.map((_, channel) => channel).filter((channel) => shares[channel] !== 0);
  const nSamples = samples[0]!.length;
  let size = 2 ** Math.round(Math.log2(sampleRateHz * FFT_SECONDS));
  let firstBin = FIRST_BIN;
  while (nSamples < SEGMENTS[0] * size && size > LEAST_FFT_SAMPLES) {
    size /= 2;
    firstBin = Math.max(2, Math.floor(firstBin / 2));
  }
  const nSegments = Math.min(SEGMENTS[1], Math.floor(nSamples / size));
  if (used.length < 2 || nSegments < 1) return 0;
  const nBins = size / 2 + 1 - firstBin;
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (size - 1)));
  // Sums over segments, for each channel and each pair of them.
  const energies = used.map(() => new Float64Array(nBins));
  const pairs = used.flatMap((_, i) => used.slice(0, i).map((_, j) => ({ i, j })));
  const cross = pairs.map(() => ({
    re: new Float64Array(nBins),
    im: new Float64Array(nBins),
    byChance: new Float64Array(nBins),
  }));
  const re = used.map(() => new Float64Array(size));
  const im = used.map(() => new Float64Array(size));
  const powers = used.map(() => new Float64Array(nBins));
  for (let segment = 0; segment < nSegments; segment++) {
    const start = nSegments > 1 ? Math.trunc((segment * (nSamples - size)) / (nSegments - 1)) : 0;
    used.forEach((channel, i) => {
      const x = samples[channel]!;
      const share = shares[channel]!;
      for (let k = 0; k < size; k++) re[i]![k] = x[start + k]! * share * window[k]!;
      im[i]!.fill(0);
      fft(re[i]!, im[i]!);
      for (let k = 0; k < nBins; k++) {
        powers[i]![k] = re[i]![k + firstBin]! ** 2 + im[i]![k + firstBin]! ** 2;
        energies[i]![k]! += powers[i]![k]!;
      }
    });
    pairs.forEach(({ i, j }, pair) => {
      const sums = cross[pair]!;
      for (let k = 0; k < nBins; k++) {
        const [a, b] = [re[i]![k + firstBin]!, im[i]![k + firstBin]!];
        const [c, d] = [re[j]![k + firstBin]!, im[j]![k + firstBin]!];
        sums.re[k]! += a * c + b * d;
        sums.im[k]! += b * c - a * d;
        sums.byChance[k]! += powers[i]![k]! * powers[j]![k]!;
      }
    });
  }
  let lost = 0;
  let total = 0;
  for (const energy of energies) for (const value of energy) total += value;
  pairs.forEach(({ i, j }, pair) => {
    const sums = cross[pair]!;
    for (let k = 0; k < nBins; k++) {
      const real = sums.re[k]!;
      const byChance = sums.byChance[k]!;
      const atMost = energies[i]![k]! * energies[j]![k]!;
      let common = 0;
      if (atMost > byChance * (1 + 1e-4)) {
        const square = (real ** 2 + sums.im[k]! ** 2 - byChance) / (1 - byChance / atMost);
        common = Math.sign(square) * Math.sqrt(Math.abs(square));
      }
      total += 2 * common;
      lost += 2 * (common - real);
    }
  });
  return total > 0 ? Math.max(0, lost / total) : 0;
}

/** Discrete Fourier transform in place; the length is a power of two (Cooley and Tukey, radix 2). */
export function fft(re: Float64Array, im: Float64Array): void {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let size = 2; size <= n; size *= 2) {
    const half = size / 2;
    for (let k = 0; k < half; k++) {
      const c = Math.cos((2 * Math.PI * k) / size);
      const s = -Math.sin((2 * Math.PI * k) / size);
      for (let a = k; a < n; a += size) {
        const b = a + half;
        const x = re[b]! * c - im[b]! * s;
        const y = re[b]! * s + im[b]! * c;
        re[b] = re[a]! - x;
        im[b] = im[a]! - y;
        re[a]! += x;
        im[a]! += y;
      }
    }
  }
}
