/** Messages between the page and its worker. */

import type { Card } from "./card";
import type { Facts } from "./integrity";
import type { Outline } from "./peaks";
import type { TempoAndKey } from "./tempo_key/result";

/** A waveform that the page has decoded itself, where the worker cannot. */
export interface Pcm {
  mono: Float32Array<ArrayBuffer>;
  sampleRateHz: number;
  /** What a user should know of the file. */
  warnings: string[];
}

export interface Wanted {
  /** Tempo and key are to be estimated, too. */
  tempoKey: boolean;
}

export type ToWorker =
  | { type: "load"; threads: number; webCodecs: boolean }
  | ({ type: "tag"; id: number; file: File } & Wanted)
  | ({ type: "tag-pcm"; id: number; pcm: Pcm } & Wanted)
  | { type: "cancel"; id: number };

/** One file's result; tempo and key where they were estimated. */
export interface Result extends Partial<TempoAndKey> {
  /** nWindows * nTags scores, window by window. */
  taggram: Float32Array;
  scores: Float32Array;
  startsSeconds: number[];
  /** Begin and end of the silences that were left out before windows were cut; none of results that were kept before 0.3. */
  leftOutSeconds?: [begin: number, end: number][];
  durationSeconds: number;
  /** How much of it is silent; 0 for models that take audio as it is. */
  silentSeconds: number;
  /** Nothing is audible: all scores are 0, and no tag applies. */
  silent: boolean;
  outline: Outline;
  warnings: string[];
  /** Time it took from reading to the last score. */
  tookSeconds: number;
}

export interface Retry {
  facts: Facts;
  sampleRateHz: number | null;
  /** The reason says more of the file than that the page cannot decode it either. */
  saysWhy: boolean;
}

export type FromWorker =
  /** hasTempoKey: the page has the networks for tempo and key. */
  | { type: "ready"; card: Card; threads: number; hasTempoKey: boolean }
  | { type: "not-ready"; reason: string }
  | { type: "progress"; id: number; seconds: number; ofSeconds: number | null }
  | { type: "done"; id: number; result: Result }
  /** retry: the worker cannot decode it, the page may; with what the worker knows of it. */
  | { type: "failed"; id: number; reason: string; retry: Retry | null };
