/** Parts of a file, and numbers and words in them. */

/** A file of any size, of which only parts are read. */
export type Bytes = Pick<Blob, "size" | "slice">;

/** Up to `n` bytes; fewer at the end of the file, none beyond it. */
export async function read(file: Bytes, at: number, n: number): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await file.slice(at, at + n).arrayBuffer());
}

/** Bytes as characters; fewer than `n` at the end. */
export function text(bytes: Uint8Array, at: number, n: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + n));
}

/** Unsigned integer of 2, 4 or 8 bytes; 0 where there are not as many. Beyond 2 ** 53 it is rounded. */
export function integer(bytes: Uint8Array, at: number, n: 2 | 4 | 8, littleEndian: boolean): number {
  if (at + n > bytes.length) return 0;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (n === 2) return view.getUint16(at, littleEndian);
  return n === 4 ? view.getUint32(at, littleEndian) : Number(view.getBigUint64(at, littleEndian));
}

export function fromHex(digits: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Does a file, or a part of it, begin with these bytes? */
export function begins(bytes: Uint8Array, start: Uint8Array): boolean {
  return bytes.length >= start.length && start.every((byte, i) => byte === bytes[i]);
}

/** One array after the other. */
export function join(...parts: Float32Array[]): Float32Array<ArrayBuffer> {
  const out = new Float32Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
