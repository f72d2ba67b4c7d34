/** Mono 16-bit WAV of blocks of samples: what a recording is kept as. */
export function wav(blocks: Float32Array[], sampleRateHz: number): Blob {
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
  head.setUint16(22, 1, true); // mono
  head.setUint32(24, sampleRateHz, true);
  head.setUint32(28, 2 * sampleRateHz, true);
  head.setUint16(32, 2, true);
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
