/** Samples of a file as mono, and what is noticed on the way; as `AudioStream.to_mono` in src/earmark/audio/decoder.py. */

import type { Conditioning } from "./card";
import { AudioError } from "./errors";
import { Mixer } from "./mixer";
import { MAX_PEAK, ScaleMeter } from "./scale";
import { fixed } from "./silence";

const MIN_RATE_HZ = 1_000;
const SILENCE_PEAK = 1e-4;
const SILENT = "silent: no sample above -80 dBFS once mixed to mono, so the tags mean nothing";

/** Turns the frames of one file to mono. */
export class MonoMaker {
  /** Length of the frames so far. */
  seconds = 0;
  private peak = 0;
  private readonly mixer: Mixer;
  private readonly scale: ScaleMeter;

  constructor(
    private readonly conditioning: Conditioning | null,
    channels: readonly string[] | null,
    isLossy: boolean,
  ) {
    this.mixer = new Mixer(conditioning, channels);
    this.scale = new ScaleMeter(isLossy);
  }

  /** The next frame: one array for each channel, all of the same length. Throws an AudioError. */
  add(samples: readonly Float32Array[], sampleRateHz: number): Float32Array<ArrayBuffer> {
    if (sampleRateHz < MIN_RATE_HZ) throw new AudioError(`not audio: a sample rate of ${sampleRateHz} Hz`);
    if (!this.scale.isLossy) for (const channel of samples) this.scale.add(channel, sampleRateHz * samples.length);
    const mono = this.mixer.mix(samples, sampleRateHz);
    let peak = 0;
    for (let i = 0; i < mono.length; i++) {
      const size = Math.abs(mono[i]!);
      if (size <= peak) continue;
      if (!Number.isFinite(size)) {
        const at = fixed(this.seconds + i / sampleRateHz, 2);
        throw new AudioError(`holds NaN or infinite samples, the first at ${at} s`);
      }
      peak = size;
    }
    if (this.scale.isLossy && peak > MAX_PEAK) {
      this.scale.add(mono, sampleRateHz);
      mono.forEach((sample, i) => {
        mono[i] = Math.min(1, Math.max(-1, sample));
      });
      peak = 1;
    }
    this.peak = Math.max(this.peak, peak);
    this.seconds += mono.length / sampleRateHz;
    return mono;
  }

  /**
   * What a user should know, at the end of the file, `notes` of its packets included. Throws an AudioError where samples are
   * beyond the scale.
   */
  warnings(notes: readonly string[] = []): string[] {
    const silent = !this.conditioning && this.peak < SILENCE_PEAK ? [SILENT] : [];
    return [...this.scale.warnings(this.seconds), ...notes, ...silent, ...this.mixer.warnings()];
  }
}
