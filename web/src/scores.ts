/** From window scores to a file's: the mean, and the best of it; as src/earmark/tagging.py does. */

import type { Card } from "./card";

export interface TagScore {
  tag: string;
  score: number;
  kind: string;
  category: string;
}

/** Mean over windows, summed in double precision; `taggram` holds nTags scores for each window. */
export function aggregate(taggram: Float32Array, nTags: number): Float32Array {
  const nWindows = taggram.length / nTags;
  if (!Number.isInteger(nWindows) || nWindows < 1) throw new Error(`${taggram.length} scores of ${nTags} tags`);
  const sums = new Float64Array(nTags);
  for (let i = 0; i < taggram.length; i++) sums[i % nTags]! += taggram[i]!;
  return Float32Array.from(sums, (sum) => sum / nWindows);
}

const LEAST = 1e-7;

/** Scores of one file or of many windows, each tag by its own map; as src/earmark/calibration.py does. */
export function calibrated(scores: Float32Array, card: Pick<Card, "vocabulary" | "calibration">): Float32Array {
  const out = Float32Array.from(scores);
  card.vocabulary.forEach(({ name }, tag) => {
    const map = card.calibration?.[name];
    if (!map) return;
    for (let i = tag; i < out.length; i += card.vocabulary.length) {
      const p = Math.min(1 - LEAST, Math.max(LEAST, out[i]!));
      out[i] = 0.5 * (1 + Math.tanh(0.5 * (map.slope * (Math.log(p) - Math.log1p(-p)) + map.offset)));
    }
  });
  return out;
}

/** All tags, highest score first; equal scores in the card's order. */
export function ranked(scores: ArrayLike<number>, card: Card): TagScore[] {
  return card.vocabulary
    .map((tag, i) => ({ tag: tag.name, score: scores[i]!, kind: tag.kind, category: tag.category }))
    .sort((a, b) => b.score - a.score);
}

/** What holds: tags that reach the card's threshold, and tags without one. */
export function holding(scores: ArrayLike<number>, card: Card): TagScore[] {
  return ranked(scores, card).filter(({ tag, score }) => score >= (card.thresholds[tag] ?? 0));
}
