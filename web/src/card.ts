/** What the page needs of a model's card: the JSON file next to the model (src/earmark/core/card.py). */

/** See `Conditioning` in src/earmark/core/card.py. */
export interface Conditioning {
  level_dbfs: number;
  silence_range_db: number;
  silence_dbfs: number;
  cancelled_share: number;
}

export interface InputSpec {
  sample_rate_hz: number;
  window_samples: number;
  hop_samples: number;
  last_window: "pad" | "overlap" | "drop";
  lead_samples: number;
  /** None for networks that take audio as it is. */
  conditioning?: Conditioning | null;
}

/** Is audio of this length repeated to fill windows? As `InputSpec.repeats` in src/earmark/core/input_spec.py. */
export function repeats(nSamples: number, { conditioning, window_samples }: InputSpec): boolean {
  return Boolean(conditioning) && nSamples > 0 && nSamples < REPEATED_WINDOWS * window_samples;
}

const REPEATED_WINDOWS = 1.25;

export interface Tag {
  name: string;
  /** classification: applies or not. regression: a degree. */
  kind: "classification" | "regression";
  category: string;
}

/** Rules between tags; as `TagConstraints` in src/earmark/core/tag_constraints.py. */
export interface Rules {
  /** Groups of tags of which one can hold. */
  exclusive?: string[][];
  /** Tag name -> the tag without which it does not hold. */
  requires?: Record<string, string>;
  /** Tag name -> more general tags; it implies the one with the highest score. */
  parents?: Record<string, string[]>;
  /** Tag name -> tags that do not hold where its score is so far above theirs. */
  rivals?: Record<string, string[]>;
  rival_margin?: number;
}

export interface Card {
  name: string;
  version?: string;
  description: string;
  licence?: string;
  limits?: string[];
  citations?: string[];
  /** Of the networks and the card, as the page was built with them (scripts/prepare.mjs). */
  fingerprint?: string;
  input: InputSpec;
  vocabulary: Tag[];
  /** Tag name -> its threshold. */
  thresholds: Record<string, number>;
  /** Tag name -> map from the network's score to the one that is shown; none for tags whose scores stay as they are. */
  calibration?: Record<string, { slope: number; offset: number }>;
  rules?: Rules;
}

/**
 * For each tag, whether it is a degree, such as energy, and in no list of a file's tags: regression, without a threshold,
 * of a model that has some. As `Vocabulary.degrees` in src/earmark/core/vocabulary.py.
 */
export function isDegree({ vocabulary, thresholds }: Pick<Card, "vocabulary" | "thresholds">): boolean[] {
  const judged = vocabulary.map(({ name }) => Object.hasOwn(thresholds, name));
  return vocabulary.map(({ kind }, i) => judged.includes(true) && kind === "regression" && !judged[i]);
}

/** Order in which categories are shown; as in src/earmark/core/vocabulary.py. */
export const CATEGORIES = ["genre", "instrument", "voice", "mood", "tempo", "decade", "other"];

/** Tags by category, in the order in which categories are shown. Empty categories are left out. */
export function byCategory<T extends { category: string }>(tags: readonly T[]): [category: string, tags: T[]][] {
  const groups = new Map<string, T[]>(CATEGORIES.map((category) => [category, []]));
  for (const tag of tags) {
    const group = groups.get(tag.category) ?? [];
    group.push(tag);
    groups.set(tag.category, group);
  }
  return [...groups].filter(([, group]) => group.length > 0);
}
