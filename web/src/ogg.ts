/**
 * The pages of Ogg files: chains of streams, pages that are damaged or missing, and the mark of the end; as
 * src/earmark/audio/ogg_links.py.
 *
 * Demuxers of browsers do not check pages, and end at the first stream of a chain. So each stream is given to them as a
 * file of its own, without its damaged pages.
 */

import { begins, fromHex, integer, read } from "./bytes";

const READ_BYTES = 1_048_576;
const MOST_PAGE_BYTES = 27 + 255 + 255 * 255;
const FIRST = 2;
const LAST = 4;
const CONTINUED = 1;
/** How a stream of audio begins, and bytes of its first packet that have to be equal for a decoder to go on. */
const FORMATS: [magic: Uint8Array, fields: [number, number][]][] = [
  [fromHex("01766f72626973"), [[11, 16]]], // Vorbis: channels, rate
  [
    fromHex("4f70757348656164"), // Opus: channels; gain, mapping
    [
      [9, 10],
      [16, 64],
    ],
  ],
  [fromHex("7f464c4143"), [[27, 30]]], // FLAC: rate, channels, upper bits of the sample width
  [
    fromHex("5370656578202020"), // Speex: rate, channels
    [
      [36, 40],
      [48, 52],
    ],
  ],
];

export interface OggFile {
  nPages: number;
  /** Pages that are damaged or missing. */
  nLost: number;
  /** The last page is not marked as the end. */
  mayBeCutOff: boolean;
  /** The streams of a chain, one after the other; of most files one. */
  links: Blob[];
  /** Streams of the chain differ in codec, rate or channels. */
  differ: boolean;
}

interface Page {
  at: number;
  bytes: Uint8Array<ArrayBuffer>;
}

interface Link {
  start: number;
  formats: string[];
  pages: { at: number; length: number }[];
  /** Bytes that are no undamaged page. */
  isDamaged: boolean;
}

/** Reads all of an Ogg file, and decodes nothing; null for other files. */
export async function readOgg(file: Blob): Promise<OggFile | null> {
  if (!begins(await read(file, 0, 5), fromHex("4f67675300"))) return null;
  const links: Link[] = [];
  const streams = new Map<number, { expected: number; inHeader: boolean; afterDamage: boolean }>();
  let groupEnd = -1; // where the next page would begin, after the first pages of a link's streams
  let end = 0; // of the last page that is not damaged
  let [nFound, nLost] = [0, 0];
  let last: { at: number; isEnd: boolean } | null = null;
  for await (const { at, bytes } of pages(file)) {
    const flags = bytes[5]!;
    const atStart = bytes.subarray(6, 14).every((byte) => byte === 0);
    const isRight = hasRightChecksum(bytes);
    if (flags & FIRST && (isRight || atStart)) {
      if (at !== groupEnd) links.push({ start: at, formats: [], pages: [], isDamaged: false });
      links.at(-1)!.formats.push(format(content(bytes)));
      groupEnd = at + pageBytes(bytes);
    }
    if (!isRight) continue;
    const link = links.at(-1);
    link?.pages.push({ at, length: bytes.length });
    last = { at, isEnd: Boolean(flags & LAST) };
    if (at > end && end > 0) {
      for (const stream of streams.values()) stream.afterDamage = true;
      if (link) link.isDamaged = true;
    }
    end = at + bytes.length;
    const name = integer(bytes, 14, 4, true);
    const number = integer(bytes, 18, 4, true);
    if (flags & FIRST && FORMATS.some(([magic]) => begins(content(bytes), magic))) {
      streams.set(name, { expected: number, inHeader: true, afterDamage: false });
    }
    const stream = streams.get(name);
    if (!stream) continue;
    if (stream.afterDamage || !stream.inHeader) nLost += Math.max(0, number - stream.expected);
    nFound += 1;
    streams.set(name, { expected: number + 1, inHeader: atStart, afterDamage: false });
  }
  return {
    nPages: nFound + nLost,
    nLost,
    mayBeCutOff: !last?.isEnd || last.at < file.size - MOST_PAGE_BYTES,
    links: await Promise.all(
      links.map((link, i) => {
        const linkEnd = links[i + 1]?.start ?? file.size;
        return link.isDamaged ? undamaged(file, link) : file.slice(link.start, linkEnd);
      }),
    ),
    differ: links.some(({ formats }) => formats.join() !== links[0]!.formats.join()),
  };
}

/** A stream without what is no undamaged page, and without the parts of packets that go on there. */
async function undamaged(file: Blob, { pages: list }: Link): Promise<Blob> {
  const parts: BlobPart[] = [];
  for (const [i, { at, length }] of list.entries()) {
    const before = list[i - 1];
    const after = list[i + 1];
    const afterGap = before !== undefined && before.at + before.length !== at;
    const beforeGap = after !== undefined && at + length !== after.at;
    if (afterGap || beforeGap) parts.push(trimmed(await read(file, at, length), afterGap, beforeGap));
    else parts.push(file.slice(at, at + length));
  }
  return new Blob(parts);
}

/** A page without the end of a packet at its beginning, and without the beginning of one at its end. */
function trimmed(page: Uint8Array<ArrayBuffer>, atStart: boolean, atEnd: boolean): Uint8Array<ArrayBuffer> {
  const lacing = page.subarray(27, 27 + page[26]!);
  let [from, to] = [0, lacing.length];
  if (atStart && page[5]! & CONTINUED) while (from < to && lacing[from++] === 255);
  if (atEnd) while (to > from && lacing[to - 1] === 255) to -= 1;
  if (from === to) return new Uint8Array(0);
  const bytesOf = (some: Uint8Array): number => some.reduce((sum, n) => sum + n, 0);
  const start = 27 + lacing.length + bytesOf(lacing.subarray(0, from));
  const kept = lacing.subarray(from, to);
  const out = new Uint8Array(27 + kept.length + bytesOf(kept));
  out.set(page.subarray(0, 27));
  if (from > 0) out[5]! &= ~CONTINUED;
  out[26] = kept.length;
  out.set(kept, 27);
  out.set(page.subarray(start, start + bytesOf(kept)), 27 + kept.length);
  return out;
}

/** Pages in order; the last may be cut off. Where one does not follow the last one, the next is searched for. */
async function* pages(file: Blob): AsyncGenerator<Page> {
  let block: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  let base = 0;
  let at = 0;
  let last = -1; // position of the last page, if it was as long as it says as far as is known
  for (;;) {
    const isFull = block.length === READ_BYTES;
    if (at < base || (at - base > block.length - MOST_PAGE_BYTES && (isFull || block.length === 0))) {
      block = await read(file, at, READ_BYTES);
      base = at;
    }
    const here = at - base;
    if (!isMark(block, here) || block.length - here < 27) {
      if (last >= 0) {
        at = last + 1;
        last = -1;
        continue;
      }
      const found = findMark(block, here);
      if (found < 0 && block.length < READ_BYTES) return;
      at = base + (found > here ? found : Math.max(here + 1, block.length - 4));
      continue;
    }
    const bytes = block.subarray(here, here + pageBytes(block.subarray(here)));
    yield { at, bytes };
    last = at;
    at += Math.max(bytes.length, 27);
  }
}

/** "OggS" and the version, 0. */
function isMark(bytes: Uint8Array, at: number): boolean {
  return (
    bytes[at] === 0x4f &&
    bytes[at + 1] === 0x67 &&
    bytes[at + 2] === 0x67 &&
    bytes[at + 3] === 0x53 &&
    bytes[at + 4] === 0
  );
}

function findMark(bytes: Uint8Array, from: number): number {
  for (let at = bytes.indexOf(0x4f, from); at >= 0; at = bytes.indexOf(0x4f, at + 1)) if (isMark(bytes, at)) return at;
  return -1;
}

/** Length of a page by its head. */
function pageBytes(page: Uint8Array): number {
  let n = 27 + page[26]!;
  for (let i = 27; i < 27 + page[26]!; i++) n += page[i] ?? 0;
  return n;
}

function content(page: Uint8Array): Uint8Array {
  return page.subarray(27 + page[26]!);
}

function format(packet: Uint8Array): string {
  const known = FORMATS.find(([magic]) => begins(packet, magic));
  if (!known) return packet.subarray(0, 8).join();
  const [magic, fields] = known;
  return [magic, ...fields.map(([from, to]) => packet.subarray(from, to))].join();
}

/** Cyclic redundancy checks of each byte, polynomial 04C11DB7, highest bits first. */
const CHECKS = Uint32Array.from({ length: 256 }, (_, byte) => {
  let check = byte << 24;
  for (let bit = 0; bit < 8; bit++) check = (check << 1) ^ (check & 0x8000_0000 ? 0x04c1_1db7 : 0);
  return check;
});

/** Is a page as it was written? */
export function hasRightChecksum(page: Uint8Array): boolean {
  if (page.length < 27 || page.length !== pageBytes(page)) return false;
  let check = 0;
  for (let i = 0; i < page.length; i++) {
    const byte = i >= 22 && i < 26 ? 0 : page[i]!;
    check = (check << 8) ^ CHECKS[(check >>> 24) ^ byte]!;
  }
  return check >>> 0 === integer(page, 22, 4, true);
}
