/**
 * How many samples an MP3's encoder put before and after the music, from the Xing or Info header in its first frame.
 *
 * FFmpeg, which the command line decodes with, leaves them out; a browser's packet decoder does not.
 */

export interface Gapless {
  /** Samples to leave out at the beginning, the decoder's own delay included. */
  skip: number;
  /** Samples that are music; null where the header does not say. */
  keep: number | null;
}

const DECODER_DELAY = 529;
const NOTHING: Gapless = { skip: 0, keep: null };

/** `head`: the file's first bytes; of an MP3 with a large picture in front, those after it (see id3Size). */
export function gapless(head: Uint8Array): Gapless {
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
    keep: frames === null ? null : Math.max(0, frames * frameSamples - delay - padding),
  };
}

/** Bytes of the ID3v2 tag at the beginning of a file, its header included; 0 where there is none. */
export function id3Size(head: Uint8Array): number {
  if (text(head, 0, 3) !== "ID3" || head.length < 10) return 0;
  const size = (head[6]! << 21) | (head[7]! << 14) | (head[8]! << 7) | head[9]!;
  return size + 10 + (head[5]! & 0x10 ? 10 : 0);
}

function text(bytes: Uint8Array, at: number, n: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + n));
}
