/** Is a file complete? As src/earmark/audio/integrity.py, and with its words. */

import type { Bytes } from "./bytes";
import { readHeader, shortfall, TOLERANCE_SECONDS } from "./chunks";
import type { MonoMaker } from "./mono";
import type { OggFile } from "./ogg";
import { fixed } from "./silence";

const DAMAGED_PARTS = 2;
const DAMAGED_SHARE = 0.01;

/** Packets of a file, as far as they were decoded one by one. */
export interface PacketLog {
  nPackets: number;
  /** Length of these packets. */
  seconds: number;
  nDamaged: number;
  damagedSeconds: number;
  notes: string[];
}

/** What is known of a file besides its samples. */
export interface Facts {
  /** How its length is known; see `LengthSource` in src/earmark/core/audio_formats.py. */
  length: "header" | "mp3" | "size" | "ogg" | "adts";
  /** Length that its header gives; null where it gives none, or an estimate. */
  declaredSeconds: number | null;
  /** Of MP3 and AAC: the last frame is longer than the rest of the file. */
  endsInsideAFrame: boolean;
  /** Of MP3, AAC and FLAC: frames that cannot be found, by the bytes or samples between the others. */
  nLost: number;
  /** Its codec is lossy. */
  isLossy: boolean;
  /** Its pages, if it is an Ogg file. */
  ogg: Omit<OggFile, "links"> | null;
  log: PacketLog;
}

/** Of a file of which nothing is known. */
export function noFacts(): Facts {
  const log = { nPackets: 0, seconds: 0, nDamaged: 0, damagedSeconds: 0, notes: [] };
  return { length: "size", declaredSeconds: null, endsInsideAFrame: false, nLost: 0, isLossy: false, ogg: null, log };
}

/** What a user should know of a file that was decoded to its end. Throws an AudioError as `MonoMaker.warnings`. */
export async function warningsOf(file: Bytes, facts: Facts, mono: MonoMaker): Promise<string[]> {
  const { ogg, log, nLost } = facts;
  const nDamaged = log.nDamaged + nLost;
  const nPackets = log.nPackets + nLost;
  const missing = await missingAudio(file, facts, mono.seconds);
  const found = mono.warnings(log.notes);
  const pages = ogg?.nLost ? [`damaged: ${ogg.nLost} of ${ogg.nPages} Ogg pages are lost`] : [];
  if (missing !== null) return [missing, ...found];
  if (log.nPackets && isTooDamaged(nDamaged, nPackets)) {
    return [`damaged: ${nDamaged} of ${nPackets} packets cannot be decoded`, ...found];
  }
  if (ogg && isTooDamaged(ogg.nLost, ogg.nPages)) return [...pages, ...found];
  found.push(...pages);
  // Without packets: the browser decoded the whole file, and does not say how many there are.
  if (nDamaged) found.push(`damaged: ${nDamaged} of ${log.nPackets ? nPackets : "its"} packets skipped`);
  if (ogg?.mayBeCutOff) found.push("perhaps cut off: its last Ogg page is not marked as the end");
  return found;
}

/** Why a file is known to lack audio; null where it is not. */
export async function missingAudio(file: Bytes, facts: Facts, decodedSeconds: number): Promise<string | null> {
  const { length, declaredSeconds: declared, log } = facts;
  const decoded = fixed(decodedSeconds, 1);
  if (facts.endsInsideAFrame) return `truncated: ends in the middle of a frame after ${decoded} s`;
  const skipped = isTooDamaged(log.nDamaged, log.nPackets) ? 0 : log.damagedSeconds;
  if (declared && decodedSeconds + skipped < declared - TOLERANCE_SECONDS) {
    return `truncated or damaged: ${decoded} s decode of the ${fixed(declared, 1)} s it declares`;
  }
  return length === "size" ? shortfall(await readHeader(file), file.size, decodedSeconds) : null;
}

/** Are more packets, or pages, damaged than can be passed over with a note? */
function isTooDamaged(nDamaged: number, nParts: number): boolean {
  return nDamaged > Math.max(DAMAGED_PARTS, DAMAGED_SHARE * nParts);
}
