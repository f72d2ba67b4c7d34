/**
 * How many samples an MP3's encoder put before and after the music, from the Xing or Info header in its first frame.
 *
 * FFmpeg, which the command line decodes with, leaves them out; a browser's packet decoder does not.
 */

import { integer, text } from "./bytes";

export interface Gapless {
  /** Samples to leave out at the beginning, the decoder's own delay included. */
  skip: number;
  /** Samples that are music; null where the header does not say. */
  keep: number | null;
}

const DECODER_DELAY = 529;
const NOTHING: Gapless = { skip: 0, keep: null };

/**
 * `head`: the file's first bytes; of an MP3 with a large picture in front, those after it (see id3Size). `nFound`: frames in
 * the file. Where they are more than the header counts, files were joined, and their ends are music.
 */
export function gapless(head: Uint8Array, nFound = 0): Gapless {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  let at = 0;
  while (at + 4 <= head.length && !(head[at] === 0xff && (head[at + 1]! & 0xe6) === 0xe2)) at += 1; // layer III
  if (at + 200 > head.length) return NOTHING;
  const version1 = (head[at + 1]! & 0x18) === 0x18;
  const mono = (head[at + 3]! & 0xc0) === 0xc0;
  const xing = at + 4 + (version1 ? (mono ? 17 : 32) : mono ? 9 : 17);
  const word = text(head, xing, 4);
  if (word !== "Xing" && word !== "Info") return NOTHING;
  const flags = view.getUint32(xing + 4);
  let after = xing + 8;
  let frames: number | null = null;
  if (flags & 1) {
    frames = view.getUint32(after);
    after += 4;
  }
  if (flags & 2) after += 4;
  if (flags & 4) after += 100;
  if (flags & 8) after += 4;
  if (after + 24 > head.length) return NOTHING;
  const packed = (head[after + 21]! << 16) | (head[after + 22]! << 8) | head[after + 23]!;
  const delay = packed >> 12;
  const padding = packed & 0xfff;
  const frameSamples = version1 ? 1152 : 576;
  return {
    skip: delay + DECODER_DELAY,
    keep: frames === null || nFound > frames + 2 ? null : Math.max(0, frames * frameSamples - delay - padding),
  };
}

const MPEG1_KBPS = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const MPEG2_KBPS = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
/** By the version in a frame's header: MPEG 2.5, 2 and 1. */
const RATES_HZ: Record<number, number[]> = {
  0: [11_025, 12_000, 8_000],
  2: [22_050, 24_000, 16_000],
  3: [44_100, 48_000, 32_000],
};

/** Length in bytes that the header of a layer III frame announces; null where it is no such header. */
export function frameBytes(bytes: Uint8Array, at: number): number | null {
  if (at + 4 > bytes.length || integer(bytes, at, 2, false) >> 5 !== 0x7ff || (bytes[at + 1]! & 6) !== 2) return null;
  const version = (bytes[at + 1]! >> 3) & 3;
  const rate = RATES_HZ[version]?.[(bytes[at + 2]! >> 2) & 3];
  const kbps = (version === 3 ? MPEG1_KBPS : MPEG2_KBPS)[bytes[at + 2]! >> 4];
  if (!kbps || rate === undefined) return null;
  return Math.floor(((version === 3 ? 144_000 : 72_000) * kbps) / rate) + ((bytes[at + 2]! >> 1) & 1);
}

/** Length that a Xing, Info or VBRI header counts in frames; null where there is none. `head` as of `gapless`. */
export function countedSeconds(head: Uint8Array): number | null {
  let at = 0;
  while (at + 4 <= head.length && frameBytes(head, at) === null) at += 1;
  const version = (head[at + 1]! >> 3) & 3;
  const rate = RATES_HZ[version]?.[(head[at + 2]! >> 2) & 3];
  if (rate === undefined) return null;
  const ofFrames = (n: number): number => (n * (version === 3 ? 1152 : 576)) / rate;
  if (text(head, at + 36, 4) === "VBRI") return ofFrames(integer(head, at + 36 + 14, 4, false)) || null;
  const xing = [36, 21, 13].map((distance) => at + distance).find((mark) => /Xing|Info/.test(text(head, mark, 4)));
  if (xing === undefined || !(head[xing + 7]! & 1)) return null;
  return ofFrames(integer(head, xing + 8, 4, false)) || null;
}

/** Bytes of the ID3v2 tag at the beginning of a file, its header included; 0 where there is none. */
export function id3Size(head: Uint8Array): number {
  if (text(head, 0, 3) !== "ID3" || head.length < 10) return 0;
  const size = (head[6]! << 21) | (head[7]! << 14) | (head[8]! << 7) | head[9]!;
  return size + 10 + (head[5]! & 0x10 ? 10 : 0);
}
