/** Tempo and key of one recording, from its audio block by block; as src/earmark/tagging/tempo_key/meter.py. */

import { join } from "../bytes";
import { Resampler } from "../resample";
import { estimateKey } from "./key_estimation";
import type { Networks } from "./networks";
import { HOP_SAMPLES, OnsetFeatures, SAMPLE_RATE_HZ } from "./onset_features";
import { SAMPLE_RATE_HZ as PITCH_RATE_HZ, PitchFeatures } from "./pitch_features";
import type { TempoAndKey } from "./result";
import { estimateTempo } from "./tempo_estimation";

const CHUNK_SAMPLES = 60 * HOP_SAMPLES;

/** Of a recording, features of less than a megabyte per ten minutes are kept. */
export class TempoKeyMeter {
  readonly onsetFeatures = new OnsetFeatures();
  readonly pitchFeatures = new PitchFeatures();
  private readonly resampler: Resampler;
  private readonly decimator = new Resampler(SAMPLE_RATE_HZ, PITCH_RATE_HZ, "low");
  private waiting: Float32Array[] = [];
  private nWaiting = 0;

  /** `sampleRateHz`: of the blocks; other rates than 16 kHz are resampled. */
  constructor(
    sampleRateHz: number,
    private readonly networks: Networks,
  ) {
    this.resampler = new Resampler(sampleRateHz, SAMPLE_RATE_HZ);
  }

  /** The next block: mono, of any length. */
  add(samples: Float32Array): void {
    this.wait(this.resampler.push(samples));
  }

  /** The audio has ended: analyses what is waiting. */
  flush(): void {
    this.wait(this.resampler.finish());
    const rest = join(...this.waiting);
    this.waiting = [];
    this.nWaiting = 0;
    if (rest.length)
      this.analyse(join(rest, new Float32Array((HOP_SAMPLES - (rest.length % HOP_SAMPLES)) % HOP_SAMPLES)));
    this.pitchFeatures.add(this.decimator.finish());
    this.pitchFeatures.finish();
  }

  /** The estimates, at the end of the audio; once. */
  async finish(): Promise<TempoAndKey> {
    this.flush();
    return {
      tempo: await estimateTempo(this.onsetFeatures.onsets(), this.networks),
      key: await estimateKey(this.pitchFeatures.steps(), this.pitchFeatures.cents, this.networks),
    };
  }

  private wait(block: Float32Array): void {
    this.waiting.push(block.slice()); // a caller may go on to use its own
    this.nWaiting += block.length;
    if (this.nWaiting < CHUNK_SAMPLES) return;
    const joined = join(...this.waiting);
    const nWhole = Math.floor(joined.length / CHUNK_SAMPLES) * CHUNK_SAMPLES;
    for (let at = 0; at < nWhole; at += CHUNK_SAMPLES) this.analyse(joined.subarray(at, at + CHUNK_SAMPLES));
    this.waiting = [joined.slice(nWhole)];
    this.nWaiting = joined.length - nWhole;
  }

  private analyse(samples: Float32Array): void {
    this.onsetFeatures.add(samples);
    this.pitchFeatures.add(this.decimator.push(samples));
  }
}
