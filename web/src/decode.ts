/**
 * A file as mono blocks, read and decoded piece by piece with the browser's own decoders (WebCodecs): memory does not
 * grow with the length of the file. Mediabunny demuxes the containers. Runs in the worker.
 */

import {
  ADTS,
  type AudioCodec,
  type AudioSample,
  AudioSampleSink,
  BlobSource,
  FLAC,
  Input,
  type InputAudioTrack,
  type InputFormat,
  MATROSKA,
  MP3,
  MP4,
  OGG,
  QTFF,
  UnsupportedInputFormatError,
  WAVE,
  WEBM,
} from "mediabunny";
import { read } from "./bytes";
import type { Conditioning } from "./card";
import { AudioError, NotThisWay, reason } from "./errors";
import { findFlacFrame, readFlacHead } from "./flac";
import { foreignByContent, foreignByName } from "./foreign";
import { walkFrames } from "./frames";
import { type Facts, noFacts, warningsOf } from "./integrity";
import { frameSamples } from "./mixer";
import { MonoMaker } from "./mono";
import { countedSeconds, type Gapless, gapless, id3Size } from "./mp3";
import { decodePackets } from "./packets";
import { type PlainSound, plainFrames, readPlain } from "./plain";
import { isProtectedAsf, isProtectedMp4, PROTECTED } from "./protection";
import { readable } from "./readable";
import { channelNames } from "./wav";

export interface Block {
  mono: Float32Array<ArrayBuffer>;
  sampleRateHz: number;
}

export interface Decoded {
  /** Length that the file declares, in seconds; null if it declares none. */
  promisedSeconds: number | null;
  /** Mono blocks at the file's own rate, which changes in some files. */
  blocks: AsyncIterable<Block>;
  /** What a user should know, after the last block. Throws an AudioError where that is why the file cannot be tagged. */
  warnings(): Promise<string[]>;
}

/** One file, or one of several streams that follow each other in it. */
interface Part {
  input: Input;
  format: InputFormat;
  track: InputAudioTrack;
  codec: AudioCodec | null;
  sampleRateHz: number;
}

const FORMATS = [MP3, WAVE, OGG, FLAC, MP4, QTFF, MATROSKA, WEBM, ADTS];

/** Opens a file. Raises AudioError, or NotThisWay where the other decoder should be tried. */
export async function open(file: File, conditioning: Conditioning | null, webCodecs: boolean): Promise<Decoded> {
  const plain = await readPlain(file);
  if (plain) return openPlain(file, plain, conditioning);
  const elsewhere = await foreignByContent(file);
  if (elsewhere !== null) {
    if (await isProtectedAsf(file)) throw new AudioError(PROTECTED);
    throw new NotThisWay(elsewhere, true);
  }
  let { parts, ogg } = await readable(file);
  const facts: Facts = { ...noFacts(), ogg };
  if (ogg && parts.length > 1 && ogg.differ) {
    facts.log.notes.push(`chained: ${parts.length} streams of different formats, one after the other`);
  }
  const cut: Gapless = { skip: 0, keep: null };
  let rate: number | null = null;
  let first: Part | null = null;
  try {
    first = await openPart(parts[0]!);
    const { codec, format, sampleRateHz } = first;
    rate = knownRate(first);
    facts.isLossy = codec !== null && !codec.startsWith("pcm-");
    facts.length = lengthSource(format);
    const head = format === MP3 ? await mp3Head(file) : null;
    const declared = await declaredSeconds(first);
    facts.declaredSeconds = head ? countedSeconds(head) : facts.length === "header" ? declared : null;
    if (facts.length === "mp3" || facts.length === "adts") {
      const { runs, nFrames, nLost, endsInside } = await walkFrames(file, facts.length);
      facts.endsInsideAFrame = endsInside;
      facts.nLost = nLost;
      if (head) Object.assign(cut, gapless(head, nFrames));
      if (facts.length === "adts" && nLost) {
        // Its demuxer ends there.
        first.input.dispose();
        parts = [new Blob(runs.map(([start, end]) => file.slice(start, end)))];
        first = await openPart(parts[0]!);
      }
    }
    const { track } = first;
    if (!webCodecs) throw new NotThisWay("this browser gives no access to its decoders here");
    if (!(await track.canDecode())) {
      const name = codec ?? (await track.getCodecParameterString()) ?? "an unknown codec";
      throw new NotThisWay(
        `its audio is ${name}, for which this browser has no decoder; \`earmark tag\` has one`,
        true,
      );
    }
    if (parts.length === 1) cut.keep ??= await oggSamples(first);
    const maker = new MonoMaker(conditioning, await channelNames(parts[0]!), facts.isLossy);
    return {
      promisedSeconds: cut.keep !== null ? cut.keep / sampleRateHz : declared,
      blocks: blocksOf(first, parts, cut, maker, facts),
      warnings: () => warningsOf(file, facts, maker),
    };
  } catch (error) {
    first?.input.dispose();
    if (error instanceof AudioError) throw error;
    throw notThisWay(error, rate, facts, file.name);
  }
}

/** Needs no decoder. */
function openPlain(file: Blob, sound: PlainSound, conditioning: Conditioning | null): Decoded {
  const { sampleRateHz, nChannels, sampleBytes, nBytes, isLossy, channels } = sound;
  const maker = new MonoMaker(conditioning, channels, isLossy);
  async function* blocks(): AsyncGenerator<Block> {
    for await (const frame of plainFrames(file, sound)) yield { mono: maker.add(frame, sampleRateHz), sampleRateHz };
  }
  return {
    promisedSeconds: nBytes / (nChannels * sampleBytes * sampleRateHz),
    blocks: blocks(),
    warnings: () => warningsOf(file, { ...noFacts(), isLossy }, maker),
  };
}

async function openPart(file: Blob): Promise<Part> {
  const input = new Input({ source: new BlobSource(file), formats: FORMATS });
  try {
    const format = await input.getFormat();
    const track = await input.getPrimaryAudioTrack();
    const isMp4 = format === MP4 || format === QTFF;
    if (isMp4 && (await isProtectedMp4(file, track?.id ?? null))) throw new AudioError(PROTECTED);
    if (track === null) {
      if ((await input.getTracks()).length) throw new AudioError(`holds no audio (${format.name})`);
      throw new NotThisWay("holds no audio, or is cut off before its index", true);
    }
    return { input, format, track, codec: await track.getCodec(), sampleRateHz: await track.getSampleRate() };
  } catch (error) {
    input.dispose();
    throw error;
  }
}

/** How many samples an Ogg stream has: its last page says where the music ends, within the last packet. Reads that page only. */
async function oggSamples({ format, track, sampleRateHz }: Part): Promise<number | null> {
  if (format !== OGG) return null;
  const begin = Math.max(0, await track.getFirstTimestamp());
  return Math.round(((await track.computeDuration()) - begin) * sampleRateHz);
}

/** Of HE-AAC the rate may be half of what is decoded. */
function knownRate({ codec, sampleRateHz }: Part): number | null {
  return codec === "aac" ? null : sampleRateHz;
}

/** Why the other decoder should be tried, with what is known of the file. */
function notThisWay(error: unknown, sampleRateHz: number | null, facts: Facts, name: string): NotThisWay {
  let other = error instanceof NotThisWay ? error : new NotThisWay(reason(error));
  if (!other.saysWhy) {
    const isBadOgg = facts.ogg && error instanceof UnsupportedInputFormatError;
    const bad = "damaged or cut off: the header of its Ogg stream cannot be read";
    const why = isBadOgg ? bad : foreignByName(name);
    if (why !== null) other = new NotThisWay(why, true);
  }
  const log = { ...noFacts().log, notes: facts.log.notes }; // the other way counts no packets
  return Object.assign(other, { sampleRateHz, facts: { ...facts, log } });
}

function lengthSource(format: InputFormat): Facts["length"] {
  if (format === MP3) return "mp3";
  if (format === WAVE) return "size";
  if (format === OGG) return "ogg";
  return format === ADTS ? "adts" : "header";
}

/** Length of the track by its header. That of Matroska is the length of the longest track. */
async function declaredSeconds({ input, format, track }: Part): Promise<number | null> {
  const isOfAll = format === MATROSKA || format === WEBM;
  return isOfAll && (await input.getTracks()).length > 1 ? null : track.getDurationFromMetadata();
}

/** Blocks of one stream after the other, or of the runs of undamaged frames of a FLAC file. */
async function* blocksOf(
  first: Part,
  files: Blob[],
  cut: Gapless,
  maker: MonoMaker,
  facts: Facts,
): AsyncGenerator<Block> {
  if (files.length === 1) {
    try {
      yield* blocksOfPart(first, cut, maker, facts);
      if (first.format === FLAC) yield* blocksBehindDamage(first, files[0]!, maker, facts);
    } catch (error) {
      throw error instanceof AudioError ? error : notThisWay(error, knownRate(first), facts, "");
    }
    return;
  }
  for (const [number, file] of files.entries()) {
    try {
      const part = number === 0 ? first : await openPart(file);
      yield* blocksOfPart(part, { skip: 0, keep: await oggSamples(part) }, maker, facts);
    } catch (error) {
      if (error instanceof AudioError) throw error;
      facts.log.notes.push(`chained: part ${number + 1} of ${files.length} cannot be read to its end`);
    }
  }
}

/** The frames of a FLAC file that its demuxer has not reached. */
async function* blocksBehindDamage(
  { sampleRateHz }: Part,
  file: Blob,
  maker: MonoMaker,
  facts: Facts,
): AsyncGenerator<Block> {
  const head = await readFlacHead(file);
  if (head === null) return;
  let run = { at: 0, sample: 0 };
  let secondsBefore = 0;
  for (;;) {
    const end = run.sample + Math.round((facts.log.seconds - secondsBefore) * sampleRateHz);
    if (end / sampleRateHz >= (facts.declaredSeconds ?? 0)) return;
    const next = await findFlacFrame(file, run.at + 1, Math.max(end, run.sample + 1), head);
    if (next === null) return;
    run = next;
    secondsBefore = facts.log.seconds;
    facts.nLost += Math.max(1, Math.round((next.sample - end) / head.blockSamples));
    yield* blocksOfPart(await openPart(new Blob([head.bytes, file.slice(run.at)])), null, maker, facts);
  }
}

async function* blocksOfPart(part: Part, cut: Gapless | null, maker: MonoMaker, { log }: Facts): AsyncGenerator<Block> {
  const { input, track, codec } = part;
  let toSkip = cut?.skip ?? 0;
  let left = cut?.keep ?? Number.POSITIVE_INFINITY;
  let channels: Float32Array[] = [];
  let sampleRateHz = part.sampleRateHz;
  let size = frameSamples(sampleRateHz);
  let filled = 0;
  const mixed = (): Block => {
    const frame = channels.map((channel) => channel.subarray(0, filled));
    filled = 0;
    return { mono: maker.add(frame, sampleRateHz), sampleRateHz };
  };
  const isPlain = codec === null || codec.startsWith("pcm-") || codec === "ulaw" || codec === "alaw";
  const samples: AsyncGenerator<AudioSample> = isPlain
    ? new AudioSampleSink(track).samples()
    : decodePackets(track, codec, log);
  try {
    for await (const sample of samples) {
      const n = sample.numberOfFrames;
      // Samples before time 0 are encoder delay, not music.
      let from = Math.min(n, Math.max(0, Math.round(-sample.timestamp * sample.sampleRate)));
      const skipped = Math.min(toSkip, n - from);
      toSkip -= skipped;
      from += skipped;
      const to = Math.min(n, from + left);
      left -= to - from;
      try {
        if (sample.numberOfChannels !== channels.length || sample.sampleRate !== sampleRateHz) {
          if (filled) yield mixed();
          sampleRateHz = sample.sampleRate;
          size = frameSamples(sampleRateHz);
          channels = Array.from({ length: sample.numberOfChannels }, () => new Float32Array(size));
        }
        for (let at = from; at < to; ) {
          const frameCount = Math.min(to - at, size - filled);
          channels.forEach((channel, planeIndex) => {
            const place = channel.subarray(filled, filled + frameCount);
            sample.copyTo(place, { planeIndex, format: "f32-planar", frameOffset: at, frameCount });
          });
          at += frameCount;
          filled += frameCount;
          if (filled === size) yield mixed();
        }
      } finally {
        sample.close();
      }
    }
    if (filled) yield mixed();
  } catch (error) {
    if (error instanceof AudioError) throw error;
    throw new NotThisWay(`it cannot be decoded to its end (${reason(error)})`);
  } finally {
    await samples.return(undefined);
    input.dispose();
  }
}

async function mp3Head(file: Blob): Promise<Uint8Array> {
  return read(file, id3Size(await read(file, 0, 10)), 8192);
}
