/** Hands the microphone's samples, interleaved, to the page. */

declare const registerProcessor: (name: string, processor: unknown) => void;
declare const AudioWorkletProcessor: { new (): { port: MessagePort } };

const FRAMES = 2048;

class Recorder extends AudioWorkletProcessor {
  private block = new Float32Array(0);
  private filled = 0;

  process([channels]: Float32Array[][]): boolean {
    if (!channels?.length) return true;
    const n = channels[0]!.length;
    for (let i = 0; i < n; i++) {
      if (this.block.length === 0) this.block = new Float32Array(FRAMES * channels.length); // their number is fixed
      for (const channel of channels) this.block[this.filled++] = channel[i]!;
      if (this.filled === this.block.length) {
        this.port.postMessage(this.block, [this.block.buffer]);
        this.block = new Float32Array(0);
        this.filled = 0;
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
