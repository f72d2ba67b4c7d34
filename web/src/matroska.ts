/** Matroska and WebM files that end inside a cluster. Demuxers leave out all of that cluster; here it ends with its last whole block. */

import { begins, fromHex, read } from "./bytes";

const EBML = fromHex("1a45dfa3");
const SEGMENT = 0x18538067;
const CLUSTER = 0x1f43b675;
const MOST_HEAD_BYTES = 12; // four of the name, eight of the size

interface Element {
  id: number;
  at: number;
  /** Where its size is written, and in how many bytes. */
  sizeAt: number;
  sizeBytes: number;
  contentAt: number;
  /** Null where the size is unknown. */
  end: number | null;
}

/** The file, with the right size of its last cluster if that is cut off; other files as they are. */
export async function withWholeClusters(file: Blob): Promise<Blob> {
  if (!begins(await read(file, 0, 4), EBML)) return file;
  let at = 0;
  while (at < file.size) {
    const element = elementAt(await read(file, at, MOST_HEAD_BYTES), at, 0);
    if (element === null) return file;
    const { id, contentAt, end } = element;
    if (id === SEGMENT) at = contentAt;
    else if (end === null) return file;
    else if (end <= file.size) at = end;
    else return id === CLUSTER ? await cutBehindWholeBlock(file, element) : file;
  }
  return file;
}

async function cutBehindWholeBlock(file: Blob, { sizeAt, sizeBytes, contentAt }: Element): Promise<Blob> {
  const bytes = await read(file, contentAt, file.size - contentAt);
  let size = 0;
  for (;;) {
    const element = elementAt(bytes, contentAt, size);
    if (element === null || element.end === null || element.end > file.size) break;
    size = element.end - contentAt;
  }
  return new Blob([file.slice(0, sizeAt), sizeOf(size, sizeBytes), file.slice(sizeAt + sizeBytes, contentAt + size)]);
}

/** The head of the element at `from` of some bytes of the file, which begin at `at`; null where there is none. */
function elementAt(bytes: Uint8Array, at: number, from: number): Element | null {
  const idBytes = Math.clz32(bytes[from] ?? 0) - 23;
  const sizeBytes = Math.clz32(bytes[from + idBytes] ?? 0) - 23;
  if (idBytes > 4 || sizeBytes > 8 || from + idBytes + sizeBytes > bytes.length) return null;
  const id = number(bytes.subarray(from, from + idBytes));
  const digits = bytes.slice(from + idBytes, from + idBytes + sizeBytes);
  digits[0]! -= 0x80 >> (sizeBytes - 1);
  const isUnknown = digits.every((byte, i) => byte === (i === 0 ? (0x80 >> (sizeBytes - 1)) - 1 : 0xff));
  const sizeAt = at + from + idBytes;
  const contentAt = sizeAt + sizeBytes;
  return { id, at: at + from, sizeAt, sizeBytes, contentAt, end: isUnknown ? null : contentAt + number(digits) };
}

function number(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte) => sum * 256 + byte, 0);
}

/** A size in so many bytes, with their number as the first bit. */
function sizeOf(size: number, nBytes: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(nBytes);
  let left = size;
  for (let i = nBytes - 1; i >= 0; i--) {
    out[i] = left % 256;
    left = Math.floor(left / 256);
  }
  out[0]! += 0x80 >> (nBytes - 1);
  return out;
}
