/** From window scores to a file's: the mean, and the best of it; as src/earmark/tagging/tagger.py does. */

import { byCategory, type Card, isDegree } from "./card";

export interface TagScore {
  tag: string;
  score: number;
  kind: string;
  category: string;
}

/**
 * Mean over windows, summed in double precision; `taggram` holds nTags scores for each window. `weights` are what windows
 * count for; null, or all 0, for all alike.
 */
export function aggregate(taggram: Float32Array, nTags: number, weights: Float32Array | null = null): Float32Array {
  const nWindows = taggram.length / nTags;
  if (!Number.isInteger(nWindows) || nWindows < 1) throw new Error(`${taggram.length} scores of ${nTags} tags`);
  const sums = new Float64Array(nTags);
  const counts = weights?.some((weight) => weight > 0) ? weights : new Float32Array(nWindows).fill(1);
  const whole = counts.reduce((a, b) => a + b, 0);
  for (let i = 0; i < taggram.length; i++) sums[i % nTags]! += taggram[i]! * counts[Math.floor(i / nTags)]!;
  return Float32Array.from(sums, (sum) => sum / whole);
}

const LEAST = 1e-7;

/** Scores of one file or of many windows, each tag by its own map; as src/earmark/core/calibration.py does. */
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

/** All tags, highest score first; equal scores in the card's order. Without degrees. */
export function ranked(scores: ArrayLike<number>, card: Card): TagScore[] {
  const no = isDegree(card);
  return card.vocabulary
    .map((tag, i) => ({ tag: tag.name, score: scores[i]!, kind: tag.kind, category: tag.category }))
    .filter((_, i) => !no[i])
    .sort((a, b) => b.score - a.score);
}

/** For each tag, whether it reaches the card's threshold; tags without one do, and degrees never. */
export function reaching(scores: ArrayLike<number>, card: Pick<Card, "vocabulary" | "thresholds">): boolean[] {
  const no = isDegree(card);
  return card.vocabulary.map(({ name }, i) => !no[i] && scores[i]! >= (card.thresholds[name] ?? 0));
}

/**
 * For each tag, whether it applies: it reaches its threshold or is implied by one that does, and contradicts no more likely
 * tag. As `TagConstraints.keep` in src/earmark/core/tag_constraints.py, which says how.
 */
export function tagApplies(
  scores: ArrayLike<number>,
  card: Pick<Card, "vocabulary" | "thresholds" | "rules">,
): boolean[] {
  const { exclusive = [], requires = {}, parents = {}, rivals = {}, rival_margin: margin = 0.1 } = card.rules ?? {};
  const place = new Map(card.vocabulary.map(({ name }, i) => [name, i]));
  const places = (names: readonly string[]): number[] => names.flatMap((name) => place.get(name) ?? []);
  /** The highest value; of equal ones the first. */
  const best = (tags: number[], values: ArrayLike<number>): number | undefined =>
    tags.reduce<number | undefined>((a, b) => (a === undefined || values[b]! > values[a]! ? b : a), undefined);

  const no = isDegree(card);
  const reached = reaching(scores, card);
  const parent = card.vocabulary.map(({ name }) => best(places(parents[name] ?? []), scores));
  /** A tag, its parent, and so on. */
  const lineage = (tag: number): number[] => {
    const line: number[] = [];
    for (let at: number | undefined = tag; at !== undefined; at = parent[at]) line.push(at);
    return line;
  };
  const support = Array.from(scores);
  reached.forEach((holds, tag) => {
    if (holds) for (const above of lineage(tag)) support[above] = Math.max(support[above]!, scores[tag]!);
  });
  const barred = new Set<number>();
  const free = (tag: number): boolean => reached[tag]! && !lineage(tag).some((above) => barred.has(above));

  for (const group of exclusive) {
    const members = places(group);
    const winner = best(members, support);
    for (const tag of members) if (tag !== winner) barred.add(tag);
  }
  const winners = places(Object.keys(rivals)).sort((a, b) => scores[b]! - scores[a]! || a - b);
  for (const tag of winners) {
    if (!free(tag)) continue;
    for (const rival of places(rivals[card.vocabulary[tag]!.name]!)) {
      if (scores[tag]! >= support[rival]! + margin) barred.add(rival);
    }
  }
  for (;;) {
    const kept = new Array<boolean>(reached.length).fill(false);
    reached.forEach((_, tag) => {
      if (free(tag)) for (const above of lineage(tag)) kept[above] = true;
    });
    const unmet = Object.entries(requires)
      .map(([tag, needed]) => [place.get(tag), place.get(needed)] as const)
      .filter(([tag, needed]) => tag !== undefined && kept[tag] && !(needed !== undefined && kept[needed]));
    for (const [tag] of unmet) barred.add(tag!);
    if (unmet.length === 0) return kept.map((holds, tag) => holds && !no[tag]);
  }
}

/** Tags that apply, highest score first; as `earmark tag --threshold auto` prints them. May be empty. */
export function applicableTags(scores: ArrayLike<number>, card: Card): TagScore[] {
  const applies = tagApplies(scores, card);
  const kept = new Set(card.vocabulary.filter((_, i) => applies[i]).map(({ name }) => name));
  return ranked(scores, card).filter(({ tag }) => kept.has(tag));
}

/** For a table: the highest two tags of each category that apply; as `earmark tag` prints in its table. */
export function topPerCategory(scores: ArrayLike<number>, card: Card): TagScore[] {
  return byCategory(applicableTags(scores, card)).flatMap(([, tags]) => tags.slice(0, 2));
}

/** Positions of all tags: first those that apply, then the others, each with the highest score first. Without degrees. */
export function displayOrder(scores: ArrayLike<number>, card: Card): number[] {
  const kept = tagApplies(scores, card);
  const no = isDegree(card);
  const order = card.vocabulary.map((_, i) => i).filter((i) => !no[i]);
  return order.sort((a, b) => Number(kept[b]) - Number(kept[a]) || scores[b]! - scores[a]!);
}
