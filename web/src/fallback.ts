/**
 * The browser's older way to decode: a whole file at once. For browsers without WebCodecs (and for pages that come
 * over plain http from another machine, where browsers hide it), and for containers that only the browser demuxes.
 */

import { join } from "./bytes";
import type { Conditioning } from "./card";
import { clock } from "./clock";
import { type Facts, warningsOf } from "./integrity";
import type { Pcm } from "./messages";
import { FRAME_SAMPLES } from "./mixer";
import { MonoMaker } from "./mono";
import { readable } from "./readable";
import { channelNames } from "./wav";

const RATE_HZ = 48_000; // the browser resamples to this, far above the rates of models, where it must
const MAX_RATE_HZ = 96_000; // with the least, 8000, what all browsers accept
const MAX_BYTES = 600e6;

/**
 * Decodes a whole file. Throws an Error with a message for the user.
 *
 * `knownRateHz` is the file's rate if it is known: then the browser need not resample. Its way of doing so differs, near
 * the highest frequencies, from that of the command line and the rest of the page.
 */
export async function decodeWhole(
  file: Blob,
  knownRateHz: number | null,
  conditioning: Conditioning | null,
  facts: Facts,
): Promise<Pcm> {
  const seconds = await lengthOf(file);
  const canKeep = knownRateHz !== null && knownRateHz >= 8_000 && knownRateHz <= MAX_RATE_HZ;
  const rateHz = canKeep ? knownRateHz : RATE_HZ;
  const maxSeconds = MAX_BYTES / (Math.max(RATE_HZ, rateHz) * 2 * 4);
  const limit = clock(maxSeconds);
  if (seconds !== null && seconds > maxSeconds) {
    throw new Error(
      `too long (${clock(seconds)}): here, this browser can only decode whole files in memory, up to ${limit}. ` +
        "Open this page over https:// or on this machine in a recent browser, or use `earmark tag`",
    );
  }
  if (seconds === null && file.size > 100e6) {
    throw new Error(`too large (${Math.round(file.size / 1e6)} MB) to be decoded in memory, and of unknown length`);
  }
  const { parts } = await readable(file);
  const maker = new MonoMaker(conditioning, await channelNames(parts[0]!), facts.isLossy);
  const blocks: Float32Array<ArrayBuffer>[] = [];
  for (const part of parts) {
    const audio = await decodeAudio(part, rateHz);
    const channels = Array.from({ length: audio.numberOfChannels }, (_, channel) => audio.getChannelData(channel));
    for (let at = 0; at < audio.length; at += FRAME_SAMPLES) {
      const frame = channels.map((channel) => channel.subarray(at, at + FRAME_SAMPLES));
      blocks.push(maker.add(frame, rateHz));
    }
  }
  return { mono: join(...blocks), sampleRateHz: rateHz, warnings: await warningsOf(file, facts, maker) };
}

async function decodeAudio(file: Blob, rateHz: number): Promise<AudioBuffer> {
  try {
    return await new OfflineAudioContext(1, 1, rateHz).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error("not audio, or in no format that this browser can decode, or damaged");
  }
}

/** Length in seconds as the browser's player sees it; null where it cannot play the file, or does not know. */
function lengthOf(file: Blob): Promise<number | null> {
  const url = URL.createObjectURL(file);
  const player = document.createElement("audio");
  return new Promise<number | null>((resolve) => {
    const timer = setTimeout(() => resolve(null), 5000);
    const done = (seconds: number): void => {
      clearTimeout(timer);
      resolve(Number.isFinite(seconds) ? seconds : null);
    };
    player.onloadedmetadata = () => done(player.duration);
    player.onerror = () => done(Number.NaN);
    player.preload = "metadata";
    player.src = url;
  }).finally(() => {
    player.removeAttribute("src");
    URL.revokeObjectURL(url);
  });
}
