/** Decodes the packets of a track. One that the decoder refuses is skipped and counted, whatever the codec. */

import { type AudioCodec, AudioSample, type EncodedPacket, EncodedPacketSink, type InputAudioTrack } from "mediabunny";
import type { PacketLog } from "./integrity";

const AHEAD = 16; // packets that a decoder is given before it has decoded them
const MOST_DAMAGED_TOGETHER = 1_000;

/**
 * Samples with their times: from the first packet on, without gaps. A decoder that refuses a packet is closed by the
 * browser, so that another one goes on behind that packet, which is the one after those that were answered by samples.
 */
export async function* decodePackets(
  track: InputAudioTrack,
  codec: AudioCodec,
  log: PacketLog,
): AsyncGenerator<AudioSample> {
  const config = await track.getDecoderConfig();
  if (config === null) throw new Error("no decoder for it");
  const source = new EncodedPacketSink(track).packets();
  const nSilent = codec === "vorbis" ? 1 : 0; // packets at the beginning that are answered by no samples
  const decoded: AudioData[] = [];
  const queue: EncodedPacket[] = []; // not given to the decoder yet
  let given: EncodedPacket[] = []; // from the first that is not answered on
  const state = { failed: null as Error | null, wake: (): void => {} };

  const start = (): AudioDecoder => {
    const decoder = new AudioDecoder({
      output: (data) => {
        decoded.push(data);
        given.shift();
        state.wake();
      },
      error: (error) => {
        state.failed = error;
        state.wake();
      },
    });
    decoder.ondequeue = () => state.wake();
    decoder.configure(config);
    return decoder;
  };

  let decoder = start();
  let [givenSeconds, decodedSeconds] = [0, 0]; // of this decoder
  let nTogether = 0;
  let seconds: number | null = null;
  let isEnd = false;
  let isFlushed = false;
  try {
    for (;;) {
      for (let data = decoded.shift(); data; data = decoded.shift()) {
        nTogether = 0;
        const sample = new AudioSample(data);
        sample.setTimestamp(seconds ?? 0);
        seconds = (seconds ?? 0) + sample.duration;
        decodedSeconds += sample.duration;
        yield sample;
      }
      if (state.failed) {
        const [bad] = given.splice(0, 1 + (given.length > nSilent ? nSilent : 0)).slice(-1);
        if (!bad && isEnd && !queue.length) return; // at the end of what it has
        if (!bad || ++nTogether > MOST_DAMAGED_TOGETHER) throw state.failed;
        log.nDamaged += 1;
        log.damagedSeconds += bad.duration;
        queue.unshift(...given);
        given = [];
        state.failed = null;
        [givenSeconds, decodedSeconds] = [0, 0];
        decoder = start();
      } else if (isFlushed) {
        // Some browsers skip a packet without a word. (Where a decoder joins packets, there are fewer answers, but no less sound.)
        const lost = given.slice(nSilent).reduce((sum, packet) => sum + packet.duration, 0);
        if (lost > 0 && givenSeconds - decodedSeconds > lost / 2) {
          log.nDamaged += given.length - nSilent;
          log.damagedSeconds += lost;
        }
        return;
      } else if (!queue.length && !isEnd) {
        const { value, done } = await source.next();
        if (done) {
          isEnd = true;
        } else {
          seconds ??= value.timestamp;
          log.nPackets += 1;
          log.seconds += value.duration;
          queue.push(value);
        }
      } else if (queue.length && decoder.decodeQueueSize < AHEAD) {
        const packet = queue.shift()!;
        given.push(packet);
        givenSeconds += packet.duration;
        decoder.decode(packet.toEncodedAudioChunk());
      } else if (queue.length) {
        await new Promise<void>((resolve) => {
          state.wake = resolve;
        });
      } else {
        const flushed = decoder.flush().then(() => {
          isFlushed = true;
        });
        await flushed.catch((error: Error) => {
          state.failed ??= error;
        });
      }
    }
  } finally {
    if (decoder.state !== "closed") decoder.close();
    for (const data of decoded) data.close();
    await source.return();
  }
}
