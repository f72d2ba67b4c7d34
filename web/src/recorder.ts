/** Records the microphone, as it sounds: without the changes that browsers make for telephone calls. */

import { wav } from "./wav";

export const MAX_RECORDING_SECONDS = 600;

export class Recording {
  private readonly blocks: Float32Array[] = [];
  private nFrames = 0;

  private constructor(
    private readonly context: AudioContext,
    private readonly stream: MediaStream,
    private readonly node: AudioWorkletNode,
    private readonly nChannels: number,
  ) {}

  /** Asks for the microphone and starts recording. `onProgress` is called with the seconds so far and the level, 0..1. */
  static async start(onProgress: (seconds: number, level: number) => void): Promise<Recording> {
    if (!navigator.mediaDevices?.getUserMedia || typeof AudioWorkletNode === "undefined") {
      throw new Error("this browser gives the microphone only to pages from https:// or from this machine");
    }
    const asIs = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    const stream = await navigator.mediaDevices.getUserMedia({ audio: asIs }).catch((error: unknown) => {
      throw new Error(whyNot(error));
    });
    const context = new AudioContext();
    try {
      await context.audioWorklet.addModule(new URL("recorder.js", document.baseURI));
    } catch (error) {
      for (const track of stream.getTracks()) track.stop();
      await context.close();
      throw error;
    }
    // As many channels as the microphone has, up to two: they are mixed as those of other files are.
    const channelCount = Math.min(2, stream.getAudioTracks()[0]?.getSettings().channelCount ?? 2);
    const node = new AudioWorkletNode(context, "recorder", {
      numberOfOutputs: 0,
      channelCount,
      channelCountMode: "explicit",
    });
    const recording = new Recording(context, stream, node, channelCount);
    node.port.onmessage = ({ data }: MessageEvent<Float32Array>) => {
      recording.blocks.push(data);
      recording.nFrames += data.length / channelCount;
      const peak = data.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
      onProgress(recording.nFrames / context.sampleRate, peak);
    };
    context.createMediaStreamSource(stream).connect(node);
    await context.resume();
    return recording;
  }

  /** Stops and returns a WAV file. */
  async stop(): Promise<File> {
    for (const track of this.stream.getTracks()) track.stop();
    this.node.disconnect();
    const rate = this.context.sampleRate;
    await this.context.close();
    const at = new Date();
    const two = (n: number): string => String(n).padStart(2, "0");
    const name = `recording ${two(at.getHours())}.${two(at.getMinutes())}.${two(at.getSeconds())}.wav`;
    return new File([wav(this.blocks, rate, this.nChannels)], name, { type: "audio/wav" });
  }
}

function whyNot(error: unknown): string {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError") return "the microphone was not allowed";
  if (name === "NotFoundError") return "there is no microphone";
  if (name === "NotReadableError") return "the microphone is in use by another program";
  return error instanceof Error ? error.message : String(error);
}
