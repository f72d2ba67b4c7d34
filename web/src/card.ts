/** What the page needs of a model's card: the JSON file that lies beside the model (src/earmark/card.py). */

export interface InputSpec {
  sample_rate_hz: number;
  window_samples: number;
  hop_samples: number;
  last_window: "pad" | "overlap";
  lead_samples: number;
}

export interface Tag {
  name: string;
  /** classification: holds or not. regression: a degree. */
  kind: "classification" | "regression";
  category: string;
}

export interface Card {
  name: string;
  version?: string;
  description: string;
  licence?: string;
  limits?: string[];
  input: InputSpec;
  vocabulary: Tag[];
  /** Tag name -> the score from which it is said to hold. */
  thresholds: Record<string, number>;
  /** Tag name -> map from the network's score to the one that is shown; none for tags whose scores stay as they are. */
  calibration?: Record<string, { slope: number; offset: number }>;
}

/** Order in which categories are shown; as in src/earmark/vocabulary.py. */
export const CATEGORIES = ["genre", "instrument", "voice", "mood", "tempo", "decade", "other"];

/** Positions of tags by category, in the order in which categories are shown. Empty categories are left out. */
export function byCategory(tags: readonly Tag[]): [category: string, positions: number[]][] {
  const groups = new Map<string, number[]>(CATEGORIES.map((category) => [category, []]));
  tags.forEach((tag, i) => {
    const group = groups.get(tag.category) ?? [];
    group.push(i);
    groups.set(tag.category, group);
  });
  return [...groups].filter(([, positions]) => positions.length > 0);
}
