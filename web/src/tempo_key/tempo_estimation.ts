/** The tempo of a recording from its onset strength; exactly as src/earmark/tagging/tempo_key/tempo_estimation.py, which says how. */

import type { Networks } from "./networks";
import { FRAMES_PER_SECOND, N_BANDS } from "./onset_features";
import { newTempo, type Tempo } from "./result";
import { binBpm, refineBpm, tempograms } from "./tempogram";

const FIRST_BIN = 30;
const SHORTEST_SECONDS = 3;
const NO_BEAT = 0.7;
const STEADY = 0.25;
const NEAR_BINS = 2;

export async function estimateTempo(onsets: Float32Array, networks: Networks): Promise<Tempo> {
  if (onsets.length / N_BANDS < SHORTEST_SECONDS * FRAMES_PER_SECOND) return newTempo(null, 0);
  if (largestDeviation(onsets) < STEADY) return newTempo(null, 0);
  const { grams, nSegments } = tempograms(onsets);
  const probabilities = await networks.tempoProbabilities(grams, nSegments);
  const shares = [...probabilities.subarray(0, -1)];
  const noBeat = probabilities.at(-1)!;
  if (noBeat > NO_BEAT) return newTempo(null, noBeat);
  const around = (i: number): number[] => shares.slice(Math.max(0, i - NEAR_BINS), i + NEAR_BINS + 1);
  const near = shares.map((_, i) => around(i).reduce((a, b) => a + b));
  const at = near.indexOf(Math.max(...near));
  const inner = around(at);
  const best = Math.max(0, at - NEAR_BINS) + inner.indexOf(Math.max(...inner));
  return newTempo(refineBpm(onsets, binBpm(FIRST_BIN + best)), Math.min(1, near[at]!));
}

/** Of the bands' standard deviations. */
function largestDeviation(onsets: Float32Array): number {
  const nFrames = onsets.length / N_BANDS;
  const deviations = Array.from({ length: N_BANDS }, (_, band) => {
    let sum = 0;
    for (let i = band; i < onsets.length; i += N_BANDS) sum += onsets[i]!;
    const mean = sum / nFrames;
    let squares = 0;
    for (let i = band; i < onsets.length; i += N_BANDS) squares += (onsets[i]! - mean) ** 2;
    return Math.sqrt(squares / nFrames);
  });
  return Math.max(...deviations);
}
