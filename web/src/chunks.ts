/**
 * Sizes in the headers of WAV, RF64, Wave64, AIFF, CAF and AU; as src/earmark/audio/chunks.py, where the rules are explained.
 *
 * Files of the WAV family are given to the decoder with a new header, in which all sizes are right: demuxers of browsers
 * find no sound behind sizes that mean "unknown", do not know Wave64, and read texts of whatever size a damaged list claims.
 */

import { type Bytes, begins, fromHex, integer, read, text } from "./bytes";

/** Declared and decoded length may differ by this much. */
export const TOLERANCE_SECONDS = 0.5;
export const RIFX = "a big-endian WAV (RIFX), which is not read; convert it, e.g. with: sox FILE -L NEW.wav";

const STREAMED_BYTES = [0x7f00_0000, 2 ** 31, 2 ** 32, 2 ** 63, 2 ** 64];
const STREAMED_MARGIN_BYTES = 65_536;
const MOST_CHUNKS = 10_000;
const MOST_FORMAT_BYTES = 4096;
const W64_RIFF = fromHex("726966662e91cf11a5d628db04c10000");
const W64_TAIL = fromHex("f3acd3118cd100c04f8edb8a");
const PCM = 1;
const EXTENSIBLE = 0xfffe;
const READ_BYTES = 65_536;
const LEAST_FLOAT = 2 ** -40; // as src/earmark/audio/header_patches.py
const MOST_FLOAT = 2 ** 30;
const PCM_SUBFORMAT = fromHex("0100000000001000800000aa00389b71");

/** Does a size in a header mean that the writer did not know it? */
export function isUnknown(nBytes: number): boolean {
  return nBytes === 0 || STREAMED_BYTES.some((size) => Math.abs(nBytes - size) <= STREAMED_MARGIN_BYTES);
}

export interface Header {
  kind: string;
  /** Position of the first byte of sound. */
  start: number;
  /** Size of the sound as it is written; see `soundBytes` for what it means. */
  written: number;
  /** Size of the sound; null where it is unknown. */
  soundBytes: number | null;
  /** Size of the file; null where it is unknown or not checked. */
  fileBytes: number | null;
  /** Of the WAV family: content of the chunk "fmt ". */
  format: Uint8Array<ArrayBuffer> | null;
}

interface Chunk {
  name: Uint8Array;
  size: number;
  start: number;
}

/** `extra`: what the size counts beside the sound. `whole`: the size of the file as it is written, and what to add. */
function header(
  kind: string,
  start: number,
  written: number,
  extra: number,
  whole?: [size: number, add: number],
): Header {
  const content = written - extra;
  return {
    kind,
    start,
    written,
    soundBytes: isUnknown(written) || content <= 0 ? null : content,
    fileBytes: !whole || isUnknown(whole[0]) ? null : whole[0] + whole[1],
    format: null,
  };
}

/** The header of a file in one of these formats; null for others, and where it has no sound. */
export async function readHeader(file: Bytes): Promise<Header | null> {
  const head = await read(file, 0, 40);
  const kind = text(head, 0, 4);
  const form = text(head, 8, 4);
  if (kind === ".snd" && head.length >= 24)
    return header(kind, integer(head, 4, 4, false), integer(head, 8, 4, false), 0);
  if (["RIFF", "RF64", "BW64"].includes(kind) && form === "WAVE") return wave(file, head, kind);
  if (begins(head, W64_RIFF)) return wave64(file, head);
  if (kind === "FORM" && (form === "AIFF" || form === "AIFC")) {
    for await (const { name, size, start } of chunks(file, 12, 4, 4, false, 2)) {
      if (text(name, 0, 4) === "SSND") return header(kind, start + 8, size, 8);
    }
  }
  if (kind === "caff") {
    for await (const { name, size, start } of chunks(file, 8, 4, 8, false, 1)) {
      if (text(name, 0, 4) === "data") return header(kind, start + 4, size, 4);
    }
  }
  return null;
}

async function wave(file: Bytes, head: Uint8Array, kind: string): Promise<Header | null> {
  let whole = integer(head, 4, 4, true);
  let long: number | null = null;
  let format: Header["format"] = null;
  for await (const { name, size, start } of chunks(file, 12, 4, 4, true, 2)) {
    const word = text(name, 0, 4);
    if (word === "ds64" && kind !== "RIFF") {
      const sizes = await read(file, start, 16);
      whole = integer(sizes, 0, 8, true);
      long = integer(sizes, 8, 8, true);
    } else if (word === "fmt ") {
      format = await read(file, start, Math.min(size, MOST_FORMAT_BYTES));
    } else if (word === "data") {
      const written = long ?? size;
      return { ...header(kind, start, written, 0, [whole, 8]), format };
    }
  }
  return null;
}

async function wave64(file: Bytes, head: Uint8Array): Promise<Header | null> {
  let format: Header["format"] = null;
  for await (const { name, size, start } of chunks(file, 40, 16, 8, true, 8)) {
    if (!begins(name.subarray(4), W64_TAIL)) continue;
    if (text(name, 0, 4) === "fmt ") format = await read(file, start, Math.min(size - 24, MOST_FORMAT_BYTES));
    if (text(name, 0, 4) === "data") {
      return { ...header("riff", start, size, 24, [integer(head, 16, 8, true), 0]), format };
    }
  }
  return null;
}

/** Sizes of 8 bytes beside names of 16 count the chunk's head. */
export async function* chunks(
  file: Bytes,
  first: number,
  nameBytes: 4 | 16,
  sizeBytes: 4 | 8,
  littleEndian: boolean,
  align: number,
): AsyncGenerator<Chunk> {
  const headBytes = nameBytes + sizeBytes;
  let at = first;
  for (let n = 0; n < MOST_CHUNKS && at + headBytes <= file.size; n++) {
    const head = await read(file, at, headBytes);
    const size = integer(head, nameBytes, sizeBytes, littleEndian);
    yield { name: head.subarray(0, nameBytes), size, start: at + headBytes };
    const content = nameBytes === 16 ? size - headBytes : size;
    if (content < 0) return;
    at += headBytes + Math.ceil(content / align) * align;
  }
}

/** Why a file is known to be cut off, by the sizes in its header; null where it is not. */
export function shortfall(found: Header | null, nBytes: number, decodedSeconds: number): string | null {
  if (!found) return null;
  const { start, soundBytes, fileBytes } = found;
  const cut = (declared: number): string => `truncated: ${nBytes} bytes of the ${declared} that its header declares`;
  if (fileBytes !== null && nBytes < fileBytes - 1) return cut(fileBytes);
  const present = nBytes - start;
  const missing = (soundBytes ?? 0) - present;
  if (missing > 0 && missing * decodedSeconds > TOLERANCE_SECONDS * present) return cut(start + soundBytes!);
  return null;
}

/** Bytes of sound that are there to be read. */
export function presentBytes({ kind, start, written, soundBytes }: Header, nBytes: number): number {
  const present = Math.max(0, nBytes - start);
  if (kind !== "RIFF") return Math.min(soundBytes ?? present, present);
  const beyond = present - written;
  const wrapped = beyond >= 2 ** 32 && beyond % 2 ** 32 <= STREAMED_MARGIN_BYTES; // more than 32 bits hold
  const longer = beyond > STREAMED_MARGIN_BYTES; // than by chunks behind the sound
  return written === 0 || (longer && (soundBytes === null || wrapped)) ? present : Math.min(written, present);
}

/** A file of the WAV family with a header of right sizes; others as they are. */
export async function withRightSizes(file: Blob): Promise<Blob> {
  const found = await readHeader(file);
  if (!found?.format) return file;
  const nBytes = presentBytes(found, file.size);
  const sound = file.slice(found.start, found.start + nBytes);
  const format = await wholeContainers(found.format, sound);
  const isLong = nBytes > 0xff00_0000;
  const even = format.subarray(0, format.length - (format.length % 2));
  const longBytes = isLong ? 36 : 0; // of the chunk "ds64"
  const head = new DataView(new ArrayBuffer(12 + longBytes + 8));
  const sizes = new DataView(new ArrayBuffer(8));
  const word = (view: DataView, at: number, letters: string, size: number): void => {
    for (let i = 0; i < 4; i++) view.setUint8(at + i, letters.charCodeAt(i));
    view.setUint32(at + 4, size, true);
  };
  const riffBytes = 4 + longBytes + 8 + even.length + 8 + nBytes;
  word(head, 0, isLong ? "RF64" : "RIFF", isLong ? 0xffff_ffff : riffBytes);
  word(head, 8, "WAVE", 0);
  if (isLong) {
    word(head, 12, "ds64", 28);
    head.setBigUint64(20, BigInt(riffBytes), true);
    head.setBigUint64(28, BigInt(nBytes), true);
  }
  word(head, 12 + longBytes, "fmt ", even.length);
  word(sizes, 0, "data", isLong ? 0xffff_ffff : nBytes);
  return new Blob([head.buffer as ArrayBuffer, even, sizes.buffer as ArrayBuffer, sound]);
}

/** Integers in wider containers (e.g. 24 bits in 32) fill them from the top: they are integers of the container's width. */
async function wholeContainers(format: Uint8Array<ArrayBuffer>, sound: Blob): Promise<Uint8Array<ArrayBuffer>> {
  const out = format.slice();
  const [tag, nChannels, blockBytes, bits] = [0, 2, 12, 14].map((at) => integer(out, at, 2, true)) as [
    number,
    number,
    number,
    number,
  ];
  const isExtensible = tag === EXTENSIBLE && begins(out.subarray(24), PCM_SUBFORMAT);
  const is24In32 = blockBytes === 4 * nChannels && bits > 16 && bits <= 24;
  if (is24In32 && (isExtensible || (tag === PCM && !(await areFloats(sound))))) out.set([32, 0], 14);
  if (isExtensible) out.set(out.subarray(14, 16), 18);
  return out;
}

/** Are samples floats with a full scale of 2 ** 23, as Cool Edit writes with the header of 24 bits in 32? */
async function areFloats(sound: Blob): Promise<boolean> {
  for (let at = 0; at + 4 <= sound.size; at += READ_BYTES) {
    const content = await read(sound, at, READ_BYTES);
    const view = new DataView(content.buffer, content.byteOffset);
    const sizes = Array.from({ length: content.length >> 2 }, (_, i) => Math.abs(view.getFloat32(4 * i, true)));
    const used = sizes.filter((size) => size !== 0);
    if (used.length) return used.every((size) => size > LEAST_FLOAT && size < MOST_FLOAT);
  }
  return false;
}
