/**
 * Uncompressed sound in containers that neither browsers nor the demuxer read: AIFF, AU and CAF. Scaled as FFmpeg scales it.
 */

import { type Bytes, integer, read, text } from "./bytes";
import { chunks, presentBytes, readHeader } from "./chunks";
import { AudioError } from "./errors";
import { ELSEWHERE } from "./foreign";
import { frameSamples } from "./mixer";

type Sample = (view: DataView, at: number) => number;

/** How samples are written, and where. */
export interface PlainSound {
  sampleRateHz: number;
  nChannels: number;
  sampleBytes: number;
  sample: Sample;
  /** Position of the first byte of sound, and how many there are. */
  start: number;
  nBytes: number;
  /** Which channel is which: null for the usual order, empty where that is unknown. */
  channels: readonly string[] | null;
  /** Companded, and so with a codec that loses something. */
  isLossy: boolean;
}

type Encoding = Pick<PlainSound, "sampleBytes" | "sample"> & { isLossy?: boolean };
type Form = Pick<PlainSound, "sampleRateHz" | "nChannels"> & Encoding & { channels?: null };

const MOST_CHANNELS = 512; // as in FFmpeg
const MOST_RATE_HZ = 10e6;

/** The sound of an AIFF, AU or CAF file; null for other files. Throws an AudioError where it is in another form. */
export async function readPlain(file: Bytes): Promise<PlainSound | null> {
  const kind = text(await read(file, 0, 4), 0, 4);
  const form = { FORM: aiff, ".snd": au, caff: caf }[kind];
  const header = form ? await readHeader(file) : null;
  if (!form || !header) return null;
  const found = await form(file);
  if (!found || !(found.sampleRateHz > 0 && found.sampleRateHz <= MOST_RATE_HZ)) return null;
  if (!found.nChannels || found.nChannels > MOST_CHANNELS) return null;
  return { isLossy: false, channels: [], ...found, start: header.start, nBytes: presentBytes(header, file.size) };
}

/** Frames of `frameSamples` samples, and the rest, one array for each channel. */
export async function* plainFrames(file: Bytes, sound: PlainSound): AsyncGenerator<Float32Array[]> {
  const { nChannels, sampleBytes, sample, start, nBytes } = sound;
  const blockBytes = nChannels * sampleBytes;
  const nSamples = Math.floor(nBytes / blockBytes);
  const size = frameSamples(sound.sampleRateHz);
  for (let at = 0; at < nSamples; at += size) {
    const n = Math.min(size, nSamples - at);
    const view = new DataView((await read(file, start + at * blockBytes, n * blockBytes)).buffer);
    yield Array.from({ length: nChannels }, (_, channel) => {
      const out = new Float32Array(n);
      for (let i = 0; i < n; i++) out[i] = sample(view, i * blockBytes + channel * sampleBytes);
      return out;
    });
  }
}

async function aiff(file: Bytes): Promise<Form | null> {
  for await (const { name, size, start } of chunks(file, 12, 4, 4, false, 2)) {
    if (text(name, 0, 4) !== "COMM") continue;
    const common = await read(file, start, Math.min(size, 64));
    if (common.length < 18) return null;
    const bits = integer(common, 6, 2, false);
    const codec = size >= 22 ? text(common, 18, 4) : "NONE";
    const signed = (littleEndian: boolean) => integers(Math.ceil(bits / 8), littleEndian);
    const written: Record<string, Encoding | null> = {
      NONE: signed(false),
      twos: signed(false),
      sowt: signed(true),
      "raw ": UNSIGNED,
      in24: integers(3, false),
      in32: integers(4, false),
      fl32: floats(4, false),
      FL32: floats(4, false),
      fl64: floats(8, false),
      FL64: floats(8, false),
      ulaw: MU_LAW,
      ULAW: MU_LAW,
      alaw: A_LAW,
      ALAW: A_LAW,
    };
    return {
      nChannels: integer(common, 0, 2, false),
      sampleRateHz: extended(common.subarray(8, 18)),
      ...known(written[codec], "AIFF", codec),
    };
  }
  return null;
}

async function au(file: Bytes): Promise<Form> {
  const head = await read(file, 0, 24);
  const encoding = integer(head, 12, 4, false);
  const written: Record<number, Encoding | null> = {
    1: MU_LAW,
    2: integers(1, false),
    3: integers(2, false),
    4: integers(3, false),
    5: integers(4, false),
    6: floats(4, false),
    7: floats(8, false),
    27: A_LAW,
  };
  return {
    sampleRateHz: integer(head, 16, 4, false),
    nChannels: integer(head, 20, 4, false),
    ...known(written[encoding], "AU", `encoding ${encoding}`),
  };
}

async function caf(file: Bytes): Promise<Form | null> {
  let form: Form | null = null;
  for await (const { name, start } of chunks(file, 8, 4, 8, false, 1)) {
    const word = text(name, 0, 4);
    if (word === "data") break;
    if (word === "chan" && form) form.channels = null;
    if (word !== "desc") continue;
    const content = await read(file, start, 32);
    if (content.length < 32) return null;
    const codec = text(content, 8, 4);
    const flags = integer(content, 12, 4, false);
    const nChannels = integer(content, 24, 4, false);
    const bytes = integer(content, 16, 4, false) / nChannels; // of a packet, which is one sample of each channel
    const littleEndian = Boolean(flags & 2);
    const lpcm = flags & 1 ? floats(bytes, littleEndian) : integers(bytes, littleEndian);
    const written = { lpcm, ulaw: MU_LAW, alaw: A_LAW }[codec];
    form = { nChannels, sampleRateHz: new DataView(content.buffer).getFloat64(0), ...known(written, "CAF", codec) };
  }
  return form;
}

function known<T>(written: T | null | undefined, format: string, codec: string): T {
  if (written) return written;
  throw new AudioError(`its format is ${format} of a kind (${codec.trim()}) ${ELSEWHERE}`);
}

function integers(sampleBytes: number, littleEndian: boolean): Encoding | null {
  const samples: Record<number, Sample> = {
    1: (view, at) => view.getInt8(at) / 2 ** 7,
    2: (view, at) => view.getInt16(at, littleEndian) / 2 ** 15,
    3: (view, at) =>
      ((view.getInt8(at + (littleEndian ? 2 : 0)) << 16) |
        (view.getUint8(at + 1) << 8) |
        view.getUint8(at + (littleEndian ? 0 : 2))) /
      2 ** 23,
    4: (view, at) => view.getInt32(at, littleEndian) / 2 ** 31,
  };
  const sample = samples[sampleBytes];
  return sample ? { sampleBytes, sample } : null;
}

function floats(sampleBytes: number, littleEndian: boolean): Encoding | null {
  if (sampleBytes === 4) return { sampleBytes, sample: (view, at) => view.getFloat32(at, littleEndian) };
  return sampleBytes === 8 ? { sampleBytes, sample: (view, at) => view.getFloat64(at, littleEndian) } : null;
}

const UNSIGNED = { sampleBytes: 1, sample: (view: DataView, at: number) => (view.getUint8(at) - 128) / 2 ** 7 };

/** ITU-T G.711: sign, three bits of exponent, four of mantissa; with all bits inverted. */
const MU_LAW = {
  sampleBytes: 1,
  isLossy: true,
  sample: (view: DataView, at: number) => {
    const code = ~view.getUint8(at);
    const size = ((((code & 0x0f) << 3) + 0x84) << ((code & 0x70) >> 4)) - 0x84;
    return (code & 0x80 ? -size : size) / 2 ** 15;
  },
};

/** ITU-T G.711: as above; with every other bit inverted, and linear at the bottom. */
const A_LAW = {
  sampleBytes: 1,
  isLossy: true,
  sample: (view: DataView, at: number) => {
    const code = view.getUint8(at) ^ 0x55;
    const exponent = (code & 0x70) >> 4;
    const mantissa = ((code & 0x0f) << 4) + 8;
    const size = exponent ? (mantissa + 0x100) << (exponent - 1) : mantissa;
    return (code & 0x80 ? size : -size) / 2 ** 15;
  },
};

/** The 80-bit floating point number in which AIFF writes its rate. */
function extended(bytes: Uint8Array): number {
  const exponent = integer(bytes, 0, 2, false) & 0x7fff;
  return integer(bytes, 2, 8, false) * 2 ** (exponent - 16383 - 63);
}
