/**
 * Which channels of a file are used; as `Mixer` in src/earmark/audio/mixer.py, where the constants are explained.
 * Level, offset and rumble are left to the network.
 */

import type { Conditioning } from "./card";
import { lostShare } from "./phases";
import { fitsOf, fixed } from "./silence";

/** Samples of a channel that are mixed at a time, up to 192 kHz; as in src/earmark/audio/frames.py. */
export const FRAME_SAMPLES = 65_536;

/** The same at any rate, as `joined_samples` there. */
export function frameSamples(sampleRateHz: number): number {
  return FRAME_SAMPLES * Math.min(8, Math.ceil(sampleRateHz / 192_000));
}

const SURELY_IN_PHASE = 1 - 1e-5;
const FITS_PER_SECOND = 20;
const FADE_SAMPLES = 1024;
const AS_LOUD = 0.99;
const RELEASE = 0.75;
const MEASURED_SECONDS = [10, 60] as const;
const LOUDER = 4;
const LEFT_OUT_SHARE = 1e-3;
const SILENT_SHARE = 1e-6;

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
  /** Length of the frames in which one channel was used because channels cancel each other; without those that are silent. */
  cancelledSeconds = 0;
  /** Length of those in which one was used because nothing sounds but low-frequency effects. */
  onlyLfeSeconds = 0;
  private onlyLfe = false;
  private energies = new Float64Array(0);
  private loudest = 0;
  private last: Float32Array | null = null;
  private alone: number | null = null;
  private seconds = 0;
  private measured: { lost: number; weight: number; mixed: number; energy: number; seconds: number } | null = null;

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
    const energy = Math.max(...gram.map((row, i) => row[i]!)) / nSamples;
    this.loudest = Math.max(this.loudest, energy);
    const soundingSeconds = energy > this.loudest * SILENT_SHARE ? nSamples / sampleRateHz : 0;
    this.choose(this.conditioning, samples, shares, gram, sampleRateHz);
    this.seconds += nSamples / sampleRateHz;
    if (this.alone !== null) {
      if (this.onlyLfe) this.onlyLfeSeconds += soundingSeconds;
      else this.cancelledSeconds += soundingSeconds;
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
    const nSilent = this.energies.filter((energy) => energy < loudest * SILENT_SHARE).length;
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
    const inMix = energies.map((energy, i) => (shares[i] !== 0 ? energy : 0));
    this.onlyLfe = Math.max(...inMix) < LEFT_OUT_SHARE * highest;
    if (!this.onlyLfe && mixed >= SURELY_IN_PHASE * inPhase) {
      this.alone = null;
    } else if (
      this.onlyLfe ||
      this.lostShare(samples, shares, mixed / inPhase, sampleRateHz, energies) >
        (this.alone === null ? limit : limit * RELEASE)
    ) {
      const usable = this.onlyLfe ? energies : inMix;
      const loudest = Math.max(...usable);
      if (this.alone === null || loudest > 2 * usable[this.alone]!) {
        this.alone = usable.findIndex((energy) => energy > AS_LOUD * loudest); // the first of those that are as loud
      }
    } else {
      this.alone = null;
    }
  }

  /**
   * `lostShare`, measured now and then, and where the mix holds much more or less than it did then, or it is louder: a mean
   * by energy since the mix changed.
   */
  private lostShare(
    samples: readonly Float32Array[],
    shares: Float32Array,
    mixed: number,
    sampleRateHz: number,
    energies: readonly number[],
  ): number {
    const then = this.measured;
    const energy = energies.reduce((a, b) => a + b);
    const isAnother = then !== null && Math.abs(mixed - then.mixed) >= 0.05 + then.mixed / 2;
    const wait = then ? Math.min(MEASURED_SECONDS[1], Math.max(MEASURED_SECONDS[0], then.seconds)) : 0;
    if (then && this.seconds - then.seconds < wait && !isAnother && energy < LOUDER * then.energy) return then.lost;
    const before = then && !isAnother ? then : { lost: 0, weight: 0 };
    const weight = before.weight + energy;
    const lost = (before.lost * before.weight + lostShare(samples, shares, sampleRateHz) * energy) / weight;
    this.measured = { lost, weight, mixed, energy, seconds: this.seconds };
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
