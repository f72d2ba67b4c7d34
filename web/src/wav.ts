/** WAV files: recordings are kept as such, and of others the header says which channel is which. */

/** 16-bit WAV of blocks of samples, interleaved: what a recording is kept as. */
export function wav(blocks: Float32Array[], sampleRateHz: number, nChannels: number): Blob {
  const nSamples = blocks.reduce((n, block) => n + block.length, 0);
  const head = new DataView(new ArrayBuffer(44));
  const text = (at: number, word: string): void => {
    [...word].forEach((letter, i) => {
      head.setUint8(at + i, letter.charCodeAt(0));
    });
  };
  text(0, "RIFF");
  head.setUint32(4, 36 + 2 * nSamples, true);
  text(8, "WAVEfmt ");
  head.setUint32(16, 16, true);
  head.setUint16(20, 1, true); // PCM
  head.setUint16(22, nChannels, true);
  head.setUint32(24, sampleRateHz, true);
  head.setUint32(28, 2 * nChannels * sampleRateHz, true);
  head.setUint16(32, 2 * nChannels, true);
  head.setUint16(34, 16, true);
  text(36, "data");
  head.setUint32(40, 2 * nSamples, true);
  const parts = blocks.map((block) => {
    const bytes = new DataView(new ArrayBuffer(2 * block.length));
    block.forEach((sample, i) => {
      bytes.setInt16(2 * i, Math.max(-32768, Math.min(32767, Math.round(sample * 32768))), true);
    });
    return bytes;
  });
  return new Blob([head, ...parts], { type: "audio/wav" });
}

/** Names of the bits of a channel mask; as FFmpeg's. */
const MASK = "FL FR FC LFE BL BR FLC FRC BC SL SR TC TFL TFC TFR TBL TBC TBR".split(" ");

/** Channels that the header of a WAV file names, in their order; empty where it names none; null for other files. */
export async function channelNames(file: Blob): Promise<string[] | null> {
  const view = new DataView(await file.slice(0, 4096).arrayBuffer());
  const text = (at: number): string =>
    at + 4 <= view.byteLength ? String.fromCharCode(...new Uint8Array(view.buffer, at, 4)) : "";
  if (!["RIFF", "RF64"].includes(text(0)) || text(8) !== "WAVE") return null;
  for (let at = 12; at + 8 <= view.byteLength; ) {
    const size = view.getUint32(at + 4, true);
    if (text(at) === "fmt ") {
      if (size < 24 || at + 32 > view.byteLength || view.getUint16(at + 8, true) !== 0xfffe) return []; // not extensible
      const mask = view.getUint32(at + 28, true);
      return MASK.filter((_, bit) => mask & (1 << bit));
    }
    at += 8 + size + (size % 2);
  }
  return [];
}
