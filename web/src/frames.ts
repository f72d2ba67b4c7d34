/** The frames of MP3 and AAC (ADTS) files: which bytes belong to none, and whether the last one is whole. */

import { type Bytes, integer, read, text } from "./bytes";
import { frameBytes, id3Size } from "./mp3";

const READ_BYTES = 1_048_576;
const MOST_FRAME_BYTES = 8_192;
/** What may be between frames, and is no damage. */
const TAG_OR_PADDING = /^(ID3|TAG|APETAGEX|LYRICSBEGIN|\0\0\0\0)/;

export interface Frames {
  /** Begin and end of each run of frames that follow each other. */
  runs: [start: number, end: number][];
  nFrames: number;
  /** Frames that there would be between runs, by the bytes there. Tags and padding do not count. */
  nLost: number;
  /** The last frame is longer than the rest of the file. */
  endsInside: boolean;
}

/** Walks from header to header. A frame is one that follows another, or that another follows. */
export async function walkFrames(file: Bytes, kind: "mp3" | "adts"): Promise<Frames> {
  const lengthOf = kind === "mp3" ? frameBytes : adtsFrameBytes;
  const found: Frames = { runs: [], nFrames: 0, nLost: 0, endsInside: false };
  let block = await read(file, 0, 10);
  let base = 0;
  let framesBytes = 0;
  let start = -1; // of the run
  let isNoDamage = false; // what is behind the last run
  let mark: number | undefined; // second byte of a frame's header: version, layer
  for (let at = id3Size(block); ; ) {
    if (at + 2 * MOST_FRAME_BYTES > base + block.length && base + block.length < file.size) {
      block = await read(file, at, READ_BYTES);
      base = at;
    }
    const here = at - base;
    const length = lengthOf(block, here);
    const follows = start >= 0 && block[here + 1] === mark;
    if (length !== null && (follows || lengthOf(block, here + length) !== null)) {
      found.endsInside = here + length > block.length;
      if (start < 0) {
        start = at;
        const last = found.runs.at(-1);
        if (last && !isNoDamage) found.nLost += Math.max(1, Math.round(((at - last[1]) * found.nFrames) / framesBytes));
      }
      if (found.endsInside) break;
      found.nFrames += 1;
      framesBytes += length;
      mark = block[here + 1];
      at += length;
    } else {
      if (start >= 0) {
        found.runs.push([start, at]);
        isNoDamage = TAG_OR_PADDING.test(text(block, here, 11));
        start = -1;
      }
      at += 1;
      if (here + 4 > block.length) return found;
    }
  }
  found.runs.push([start, file.size]);
  return found;
}

/** Length in bytes that the header of a frame of AAC announces; null where it is no such header. */
function adtsFrameBytes(bytes: Uint8Array, at: number): number | null {
  if (integer(bytes, at, 2, false) >> 4 !== 0xfff || bytes[at + 1]! & 6 || at + 7 > bytes.length) return null;
  if (bytes[at + 6]! & 3) return null; // several blocks in one: not written by encoders, and not read by demuxers
  const length = ((bytes[at + 3]! & 3) << 11) | (bytes[at + 4]! << 3) | (bytes[at + 5]! >> 5);
  return length >= 7 ? length : null;
}
