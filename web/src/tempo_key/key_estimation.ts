/** The key of a recording from how strongly its pitches sound; exactly as src/earmark/tagging/tempo_key/key_estimation.py, which says how. */

import { roundHalfEven } from "./half_floats";
import type { Networks } from "./networks";
import { N_SEMITONES, tunedPitches, tuningCents } from "./pitch_features";
import { type Key, newKey } from "./result";

const LEAST = 0.15;
const MOST_STEPS = 300;

export async function estimateKey(steps: Float32Array, cents: Float64Array, networks: Networks): Promise<Key> {
  const tuning = tuningCents(cents);
  const tuningHz = 440 * 2 ** (tuning / 1200);
  const pitches = tunedPitches(steps, tuning);
  if (!pitches.some(Boolean)) return newKey(null, 0, tuningHz);
  const used = atMost(pitches, MOST_STEPS);
  const probabilities = await networks.keyProbabilities(used, used.length / N_SEMITONES);
  const confidence = Math.max(...probabilities);
  return newKey(confidence >= LEAST ? probabilities.indexOf(confidence) : null, confidence, tuningHz);
}

/** Of more steps, means over neighbours. */
export function atMost(pitches: Float32Array, nSteps: number): Float32Array {
  const n = pitches.length / N_SEMITONES;
  if (n <= nSteps) return pitches;
  const startOf = (i: number): number => (i === nSteps ? n : roundHalfEven(i * (n / nSteps)));
  const means = new Float32Array(nSteps * N_SEMITONES);
  for (let i = 0; i < nSteps; i++) {
    const [begin, end] = [startOf(i), startOf(i + 1)];
    for (let pitch = 0; pitch < N_SEMITONES; pitch++) {
      let sum = 0;
      for (let step = begin; step < end; step++) sum += pitches[step * N_SEMITONES + pitch]!;
      means[i * N_SEMITONES + pitch] = sum / (end - begin);
    }
  }
  return means;
}
