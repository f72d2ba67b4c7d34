/** What is estimated of a recording, as in JSON of the command line; src/earmark/tagging/tempo_key/result.py. */

import { fixed } from "../silence";
import { type KeyNames, keyNames } from "./musical_key";

/** `bpm` is null where no beat is clear. */
export interface Tempo {
  bpm: number | null;
  confidence: number;
}

/** The names are null where no key is clear. */
export type Key = (KeyNames | Record<keyof KeyNames, null>) & { confidence: number; tuning_hz: number };

export interface TempoAndKey {
  tempo: Tempo;
  key: Key;
}

const NO_KEY = { key: null, name: null, camelot: null, open_key: null };

const rounded = (x: number, decimals: number): number => Number(fixed(x, decimals));

export function newTempo(bpm: number | null, confidence: number): Tempo {
  return { bpm: bpm === null ? null : rounded(bpm, 1), confidence: rounded(confidence, 4) };
}

/** `place`: of the key among major ones from C on, then minor ones; null for no clear key. */
export function newKey(place: number | null, confidence: number, tuningHz: number): Key {
  const names = place === null ? NO_KEY : keyNames(place);
  return { ...names, confidence: rounded(confidence, 4), tuning_hz: rounded(tuningHz, 1) };
}

/** As people read it: "123.4 BPM". */
export function tempoText({ bpm }: Tempo): string {
  return bpm === null ? "no clear beat" : `${bpm.toFixed(1)} BPM`;
}

/** As people read it: "F# minor". */
export function keyText({ name }: Key): string {
  return name ?? "no clear key";
}
