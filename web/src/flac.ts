/** FLAC files with a damaged frame header: demuxers of browsers end there, and are given the rest as a file of its own. */

import { type Bytes, integer, read, text } from "./bytes";
import { id3Size } from "./mp3";

const READ_BYTES = 1_048_576;
const MOST_HEADER_BYTES = 16;
const STREAMINFO_BYTES = 34;

/** Of a file: what has to be in front of any of its frames. */
export interface FlacHead {
  bytes: Uint8Array<ArrayBuffer>;
  blockSamples: number;
}

export interface FlacFrame {
  /** Position in the file. */
  at: number;
  /** Its first sample. */
  sample: number;
}

/** The mark and the first block of metadata, as if it were the only one; null for other files. */
export async function readFlacHead(file: Bytes): Promise<FlacHead | null> {
  const bytes = await read(file, id3Size(await read(file, 0, 10)), 8 + STREAMINFO_BYTES);
  if (text(bytes, 0, 4) !== "fLaC" || bytes[4]! & 0x7f || bytes.length < 8 + STREAMINFO_BYTES) return null;
  bytes[4] = 0x80;
  return { bytes, blockSamples: integer(bytes, 8, 2, false) };
}

/** The first frame from a position on that begins with a certain sample or a later one. */
export async function findFlacFrame(
  file: Bytes,
  from: number,
  sample: number,
  { blockSamples }: FlacHead,
): Promise<FlacFrame | null> {
  for (let base = from; base < file.size; base += READ_BYTES) {
    const block = await read(file, base, READ_BYTES + MOST_HEADER_BYTES);
    for (let at = block.indexOf(0xff); at >= 0 && at < READ_BYTES; at = block.indexOf(0xff, at + 1)) {
      const first = firstSample(block.subarray(at, at + MOST_HEADER_BYTES), blockSamples);
      if (first !== null && first >= sample) return { at: base + at, sample: first };
    }
  }
  return null;
}

/** First sample of a frame, by its header (RFC 9639, section 9.1); null for other bytes. */
function firstSample(header: Uint8Array, blockSamples: number): number | null {
  const [, second = 0, sizes = 0, format = 1] = header;
  if (second >> 1 !== 0x7c || format & 1) return null;
  const lead = header[4] ?? 0xff;
  const nOnes = Math.clz32(~(lead << 24)); // leading ones: bytes of the number, or none for one byte
  if (nOnes === 1 || nOnes > 7) return null;
  let number = nOnes ? lead & (0x7f >> nOnes) : lead;
  let at = 5;
  for (; at < 4 + nOnes; at++) {
    if (((header[at] ?? 0) & 0xc0) !== 0x80) return null;
    number = number * 64 + (header[at]! & 0x3f);
  }
  at += { 6: 1, 7: 2 }[sizes >> 4] ?? 0;
  at += { 12: 1, 13: 2, 14: 2 }[sizes & 15] ?? 0;
  if (header[at] !== check8(header.subarray(0, at))) return null;
  return second & 1 ? number : number * blockSamples;
}

/** Cyclic redundancy check, polynomial 07. */
function check8(bytes: Uint8Array): number {
  let check = 0;
  for (const byte of bytes) {
    check ^= byte;
    for (let bit = 0; bit < 8; bit++) check = ((check << 1) ^ (check & 0x80 ? 0x07 : 0)) & 0xff;
  }
  return check;
}
