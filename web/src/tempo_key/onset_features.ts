/** Onset strength in frequency bands, for the tempo; exactly as src/earmark/tagging/tempo_key/onset_features.py, which says how. */

import { join } from "../bytes";
import { hann, powers } from "../fft";
import { fromHalfFloats, toHalfFloats } from "./half_floats";

export const SAMPLE_RATE_HZ = 16_000;
export const HOP_SAMPLES = 256;
export const FRAMES_PER_SECOND = SAMPLE_RATE_HZ / HOP_SAMPLES;
export const N_BANDS = 6;

const WINDOW_SAMPLES = 512;
const INNER_EDGES_HZ = [140, 280, 600, 1_400, 3_300];
const RANGE = Math.log(1e4);
const ALL_RANGE = Math.log(1e6);
const RELEASE = (Math.log(10) * 0.3 * HOP_SAMPLES) / SAMPLE_RATE_HZ;

/** Bins of the spectrum at which narrow bands begin. */
function subBandEdges(): number[] {
  const low = Array.from({ length: 9 }, (_, i) => i + 1);
  const high = Array.from({ length: 24 }, (_, i) => Math.round(9 * (257 / 9) ** (i / 23)));
  return [...new Set([...low, ...high])];
}

export class OnsetFeatures {
  nFrames = 0;
  private readonly edges = subBandEdges();
  /** The band to which each narrow one belongs, and its share of it. */
  private readonly groups: { band: number; share: number }[];
  private readonly window = hann(WINDOW_SAMPLES);
  private tail = new Float32Array(WINDOW_SAMPLES - HOP_SAMPLES);
  private readonly last: Float64Array;
  private readonly loudest: Float64Array;
  private readonly chunks: Uint16Array[] = [];

  constructor() {
    const nSubBands = this.edges.length - 1;
    const bands = Array.from({ length: nSubBands }, (_, i) => {
      const centreHz = (((this.edges[i]! + this.edges[i + 1]! - 1) / 2) * SAMPLE_RATE_HZ) / WINDOW_SAMPLES;
      return INNER_EDGES_HZ.filter((edge) => edge < centreHz).length;
    });
    this.groups = bands.map((band) => ({ band, share: 1 / bands.filter((other) => other === band).length }));
    this.last = new Float64Array(nSubBands);
    this.loudest = new Float64Array(nSubBands).fill(-Infinity);
  }

  /** Samples at 16 kHz: whole hops. */
  add(samples: Float32Array): void {
    const joined = join(this.tail, samples);
    this.tail = joined.slice(samples.length);
    const nFrames = samples.length / HOP_SAMPLES;
    const change = new Float64Array(nFrames * N_BANDS);
    const frames = [new Float64Array(WINDOW_SAMPLES), new Float64Array(WINDOW_SAMPLES)] as const;
    for (let frame = 0; frame < nFrames; frame += 2) {
      frames.forEach((values, which) => {
        const begin = (frame + which) * HOP_SAMPLES;
        for (let i = 0; i < WINDOW_SAMPLES; i++) values[i] = (joined[begin + i] ?? 0) * this.window[i]!;
      });
      powers(...frames);
      this.addFrame(frames[0], change.subarray(frame * N_BANDS));
      if (frame + 1 < nFrames) this.addFrame(frames[1], change.subarray((frame + 1) * N_BANDS));
    }
    this.chunks.push(toHalfFloats(change));
  }

  /** Onset strength of each frame and band, in nepers of energy, 0 and more. */
  onsets(): Float32Array {
    const onsets = new Float32Array(this.nFrames * N_BANDS);
    let at = 0;
    for (const chunk of this.chunks) {
      fromHalfFloats(chunk, onsets, at);
      at += chunk.length;
    }
    return onsets;
  }

  private addFrame(power: Float64Array, change: Float64Array): void {
    const { edges } = this;
    const levels = this.groups.map((_, i) => {
      let sum = 0;
      for (let bin = edges[i]!; bin < edges[i + 1]!; bin++) sum += power[bin]!;
      const level = Math.log(sum / (edges[i + 1]! - edges[i]!) + 1e-30);
      this.loudest[i] = Math.max(level, this.loudest[i]! - RELEASE);
      return level;
    });
    const floor = this.loudest.reduce((a, b) => Math.max(a, b)) - ALL_RANGE;
    this.groups.forEach(({ band, share }, i) => {
      const level = Math.max(levels[i]!, this.loudest[i]! - RANGE, floor);
      if (this.nFrames > 0) change[band]! += Math.max(level - this.last[i]!, 0) * share;
      this.last[i] = level;
    });
    this.nFrames += 1;
  }
}
