/** Samples far beyond full scale; as src/earmark/audio/scale.py, where the constants are explained. */

import { AudioError } from "./errors";

export const MAX_PEAK = 8;
const MOST_DAMAGED_SHARE = 0.1;
const NEAR = 0.25;

/** Counts the samples of one file that are beyond MAX_PEAK. */
export class ScaleMeter {
  /** The largest of them; 0 where there are none. */
  private peak = 0;
  private seconds = 0;

  /** `isLossy`: the decoder makes such samples of damaged packets. */
  constructor(readonly isLossy: boolean) {}

  /** The next samples. NaN and infinite ones are left to others. */
  add(samples: Float32Array, samplesPerSecond: number): void {
    let peak = 0;
    let n = 0;
    for (let i = 0; i < samples.length; i++) {
      const size = Math.abs(samples[i]!);
      if (size > MAX_PEAK) n += 1;
      if (size > peak) peak = size;
    }
    if (!n || peak === Number.POSITIVE_INFINITY) return;
    this.peak = Math.max(this.peak, peak);
    this.seconds += n / samplesPerSecond;
  }

  /** What a user should know, at the end of the file. Throws an AudioError where the samples are not in -1..1. */
  warnings(durationSeconds: number): string[] {
    if (this.seconds > (this.isLossy ? MOST_DAMAGED_SHARE * durationSeconds : 0)) {
      throw new AudioError(scaleError(this.peak));
    }
    return this.peak ? [`damaged: samples up to ${sevenDigits(this.peak)} clipped to -1..1`] : [];
  }
}

/** The peak and the cure. */
export function scaleError(peak: number): string {
  const bits = [8, 16, 24, 32].find((bits) => NEAR * 2 ** (bits - 1) <= peak && peak <= 2 ** (bits - 1));
  const integers = bits ? `${2 ** (bits - 1)}, the full scale of ${bits}-bit integers, or by ` : "";
  return `samples up to ${sevenDigits(peak)}: must be floating point in -1..1; divide by ${integers}the peak`;
}

/** A number of at least 1 as Python's ".7g" prints it. */
export function sevenDigits(x: number): string {
  const [digits, exponent] = x.toPrecision(7).split("e+");
  const short = digits!.includes(".") ? digits!.replace(/\.?0+$/, "") : digits!;
  return exponent === undefined ? short : `${short}e+${exponent.padStart(2, "0")}`;
}
