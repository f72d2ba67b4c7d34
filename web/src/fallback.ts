/**
 * The browser's older way to decode: a whole file at once. For browsers without WebCodecs (and for pages that come
 * over plain http from another machine, where browsers hide it), and for containers that only the browser demuxes.
 */

import type { Conditioning } from "./card";
import { clock } from "./clock";
import { FRAME_SAMPLES, Mixer } from "./conditioning";
import type { Pcm } from "./messages";
import { channelNames } from "./wav";

const RATE_HZ = 48_000; // the browser resamples to this, far above the rates of models
const MAX_BYTES = 600e6;
const MAX_SECONDS = MAX_BYTES / (RATE_HZ * 2 * 4);

/** Decodes a whole file. Throws an Error with a message for the user. */
export async function decodeWhole(
  file: Blob,
  conditioning: Conditioning | null,
): Promise<Omit<Pcm, "promisedSeconds">> {
  const seconds = await lengthOf(file);
  const limit = clock(MAX_SECONDS);
  if (seconds !== null && seconds > MAX_SECONDS) {
    throw new Error(
      `too long (${clock(seconds)}): here, this browser can only decode whole files in memory, up to ${limit}. ` +
        "Open this page over https:// or on this machine in a recent browser, or use `earmark tag`",
    );
  }
  if (seconds === null && file.size > 100e6) {
    throw new Error(`too large (${Math.round(file.size / 1e6)} MB) to be decoded in memory, and of unknown length`);
  }
  let audio: AudioBuffer;
  try {
    audio = await new OfflineAudioContext(1, 1, RATE_HZ).decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new Error("not audio, or in no format that this browser can decode, or damaged");
  }
  const mono = new Float32Array(audio.length);
  const channels = Array.from({ length: audio.numberOfChannels }, (_, channel) => audio.getChannelData(channel));
  const mixer = new Mixer(conditioning, await channelNames(file));
  for (let at = 0; at < mono.length; at += FRAME_SAMPLES) {
    const frame = channels.map((channel) => channel.subarray(at, at + FRAME_SAMPLES));
    mono.set(mixer.mix(frame, audio.sampleRate), at);
  }
  return { mono, sampleRateHz: audio.sampleRate, warnings: mixer.warnings() };
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
