/** The outline of a waveform of any length in bounded memory: lowest and highest sample of equal bins. */

const MAX_BINS = 4096;

export interface Outline {
  lows: Float32Array;
  highs: Float32Array;
  /** Samples in a bin; the last may be shorter. */
  binSamples: number;
}

export class OutlineMaker {
  private binLength = 64;
  private n = 0; // bins begun
  private filled = 0; // samples in the last of them
  private readonly lows = new Float32Array(MAX_BINS);
  private readonly highs = new Float32Array(MAX_BINS);

  push(samples: Float32Array): void {
    for (const sample of samples) {
      if (this.filled === 0) {
        if (this.n === MAX_BINS) this.halve();
        this.lows[this.n] = sample;
        this.highs[this.n] = sample;
        this.n += 1;
      } else {
        const last = this.n - 1;
        if (sample < this.lows[last]!) this.lows[last] = sample;
        if (sample > this.highs[last]!) this.highs[last] = sample;
      }
      this.filled = (this.filled + 1) % this.binLength;
    }
  }

  outline(): Outline {
    return { lows: this.lows.slice(0, this.n), highs: this.highs.slice(0, this.n), binSamples: this.binLength };
  }

  private halve(): void {
    for (let i = 0; i < MAX_BINS / 2; i++) {
      this.lows[i] = Math.min(this.lows[2 * i]!, this.lows[2 * i + 1]!);
      this.highs[i] = Math.max(this.highs[2 * i]!, this.highs[2 * i + 1]!);
    }
    this.n = MAX_BINS / 2;
    this.binLength *= 2;
  }
}
