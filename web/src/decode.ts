/**
 * A file as mono blocks, read and decoded piece by piece with the browser's own decoders (WebCodecs): memory does not
 * grow with the length of the file. Mediabunny demuxes the containers. Runs in the worker.
 */

import {
  ADTS,
  AudioSampleSink,
  BlobSource,
  FLAC,
  Input,
  MATROSKA,
  MP3,
  MP4,
  OGG,
  QTFF,
  UnsupportedInputFormatError,
  WAVE,
  WEBM,
} from "mediabunny";
import type { Conditioning } from "./card";
import { FRAME_SAMPLES, Mixer } from "./mixer";
import { type Gapless, gapless, id3Size } from "./mp3";
import { channelNames } from "./wav";

/** This file cannot be tagged; the message is shown to the user. */
export class AudioError extends Error {}

/** This way of decoding cannot do it; the browser's other way (decodeAudioData) may. */
export class NotThisWay extends Error {
  /** Of the file; null where it is not known. */
  sampleRateHz: number | null = null;
}

export interface Decoded {
  sampleRateHz: number;
  /** Length that the file declares, in seconds; null if it declares none. */
  promisedSeconds: number | null;
  /** Mono blocks at the file's own rate. */
  blocks: AsyncIterable<Float32Array>;
  mixer: Mixer;
}

const FORMATS = [MP3, WAVE, OGG, FLAC, MP4, QTFF, MATROSKA, WEBM, ADTS];

/** Opens a file. Raises AudioError, or NotThisWay where the other decoder should be tried. */
export async function open(file: Blob, conditioning: Conditioning | null, webCodecs: boolean): Promise<Decoded> {
  if (file.size === 0) throw new AudioError("the file is empty (0 bytes)");
  const input = new Input({ source: new BlobSource(file), formats: FORMATS });
  let rate: number | null = null;
  try {
    const track = await input.getPrimaryAudioTrack();
    if (track === null) throw new NotThisWay("holds no audio, or is cut off before its index");
    const codec = await track.getCodec();
    const sampleRateHz = await track.getSampleRate();
    if (codec !== "aac") rate = sampleRateHz; // of HE-AAC it may be half of what is decoded
    if (!webCodecs) throw new NotThisWay("this browser gives no access to its decoders here");
    if (!(await track.canDecode())) {
      const name = codec ?? (await track.getCodecParameterString()) ?? "an unknown codec";
      throw new NotThisWay(`its audio is ${name}, for which this browser has no decoder`);
    }
    const format = await input.getFormat();
    let cut: Gapless = { skip: 0, keep: null };
    if (format === MP3) cut = gapless(await mp3Head(file));
    // An Ogg's last page says where the music ends, within the last packet. Reads that page only.
    if (format === OGG) cut.keep = Math.round((await track.computeDuration()) * sampleRateHz);
    const declared = await track.getDurationFromMetadata();
    const promisedSeconds = cut.keep !== null ? cut.keep / sampleRateHz : declared;
    const samples = new AudioSampleSink(track).samples();
    const mixer = new Mixer(conditioning, await channelNames(file));
    const blocks = monoBlocks(input, samples, sampleRateHz, cut, mixer);
    return { sampleRateHz, promisedSeconds, blocks, mixer };
  } catch (error) {
    input.dispose();
    if (error instanceof AudioError) throw error;
    const unknown = error instanceof UnsupportedInputFormatError;
    const why = unknown ? "its format is not known here" : reason(error);
    const other = error instanceof NotThisWay ? error : new NotThisWay(why);
    other.sampleRateHz = rate;
    throw other;
  }
}

type Sink = ReturnType<AudioSampleSink["samples"]>;

async function* monoBlocks(
  input: Input,
  samples: Sink,
  sampleRateHz: number,
  cut: Gapless,
  mixer: Mixer,
): AsyncGenerator<Float32Array> {
  let toSkip = cut.skip;
  let left = cut.keep ?? Number.POSITIVE_INFINITY;
  let channels: Float32Array[] = [];
  let filled = 0;
  const mixed = (): Float32Array => {
    const frame = channels.map((channel) => channel.subarray(0, filled));
    filled = 0;
    return mixer.mix(frame, sampleRateHz);
  };
  try {
    for await (const sample of samples) {
      const n = sample.numberOfFrames;
      if (sample.sampleRate !== sampleRateHz) {
        sample.close();
        throw new NotThisWay(`its sample rate changes from ${sampleRateHz} to ${sample.sampleRate} Hz`);
      }
      // Samples before time 0 are encoder delay, not music.
      let from = Math.min(n, Math.max(0, Math.round(-sample.timestamp * sampleRateHz)));
      const skipped = Math.min(toSkip, n - from);
      toSkip -= skipped;
      from += skipped;
      const to = Math.min(n, from + left);
      left -= to - from;
      try {
        if (sample.numberOfChannels !== channels.length) {
          if (filled) yield mixed();
          channels = Array.from({ length: sample.numberOfChannels }, () => new Float32Array(FRAME_SAMPLES));
        }
        for (let at = from; at < to; ) {
          const frameCount = Math.min(to - at, FRAME_SAMPLES - filled);
          channels.forEach((channel, planeIndex) => {
            const place = channel.subarray(filled, filled + frameCount);
            sample.copyTo(place, { planeIndex, format: "f32-planar", frameOffset: at, frameCount });
          });
          at += frameCount;
          filled += frameCount;
          if (filled === FRAME_SAMPLES) yield mixed();
        }
      } finally {
        sample.close();
      }
    }
    if (filled) yield mixed();
  } catch (error) {
    if (error instanceof NotThisWay) throw error;
    throw new NotThisWay(`it cannot be decoded to its end (${reason(error)})`);
  } finally {
    await samples.return();
    input.dispose();
  }
}

async function mp3Head(file: Blob): Promise<Uint8Array> {
  const bytes = async (from: number, n: number) => new Uint8Array(await file.slice(from, from + n).arrayBuffer());
  return bytes(id3Size(await bytes(0, 10)), 8192);
}

export function reason(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
