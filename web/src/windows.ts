/** Cuts a stream of samples into windows, exactly as src/earmark/audio/chunker.py does (`windows`, `window_starts`). */

import { join } from "./bytes";
import { type InputSpec, repeats } from "./card";

/** Of audio that is repeated. */
const SHORT_WINDOWS = 12;
const SHORTER_SECONDS = 0.0013;

/** First sample of every window cut from `nSamples` samples; negative where it begins on the mirror image in front. */
export function windowStarts(nSamples: number, spec: InputSpec): number[] {
  if (nSamples < 1) return [];
  if (repeats(nSamples, spec)) {
    return Array.from({ length: SHORT_WINDOWS }, (_, k) => Math.floor((k * nSamples) / SHORT_WINDOWS));
  }
  const { window_samples: size, hop_samples: hop, lead_samples: lead } = spec;
  const nAll = nSamples + lead;
  const nWhole = Math.max(0, Math.floor((nAll - size) / hop) + 1);
  const starts = Array.from({ length: nWhole }, (_, i) => i * hop);
  const covered = nWhole > 0 ? (nWhole - 1) * hop + size : 0;
  const dropped = nWhole > 0 && spec.last_window === "drop";
  if (covered < nAll && !dropped)
    starts.push(nWhole > 0 && spec.last_window === "overlap" ? nAll - size : nWhole * hop);
  return starts.map((start) => start - lead);
}

/** Takes samples block by block, returns windows as soon as they are complete. Holds at most two windows and a block. */
export class WindowCutter {
  nSamples = 0;
  private kept = new Float32Array(0);
  private behind = 0; // samples of `kept` before the next window's start
  private nGiven = 0;
  private waiting: Float32Array | null; // the stream's beginning, until its mirror image is known

  constructor(private readonly spec: InputSpec) {
    this.waiting = spec.lead_samples > 0 ? new Float32Array(0) : null;
  }

  /** Adds a block and returns the windows that it completes. */
  push(block: Float32Array): Float32Array[] {
    this.nSamples += block.length;
    if (this.waiting === null) return this.add(block);
    this.waiting = join(this.waiting, block);
    if (this.waiting.length <= this.spec.lead_samples) return [];
    return this.release();
  }

  /** The end of the stream: what is left, as the card's `last_window` says; a short stream is repeated. */
  finish(): Float32Array[] {
    const given = this.waiting?.length ? this.release() : [];
    if (this.nGiven === 0 && repeats(this.kept.length, this.spec)) return repeated(this.kept, this.spec);
    const { window_samples: size, hop_samples: hop, last_window: last } = this.spec;
    const uncovered = this.kept.length - this.behind - (this.nGiven > 0 ? size - hop : 0);
    if (uncovered <= 0 || (this.nGiven > 0 && last === "drop")) return given;
    if (this.nGiven > 0 && last === "overlap") {
      given.push(this.kept.slice(this.kept.length - size));
    } else {
      const padded = new Float32Array(size);
      padded.set(this.kept.subarray(this.behind));
      given.push(padded);
    }
    return given;
  }

  private release(): Float32Array[] {
    const led = mirrored(this.waiting!, this.spec.lead_samples);
    this.waiting = null;
    return this.add(led);
  }

  private add(block: Float32Array): Float32Array[] {
    const { window_samples: size, hop_samples: hop } = this.spec;
    const given: Float32Array[] = [];
    this.kept = join(this.kept, block);
    if (this.nGiven === 0 && repeats(this.kept.length, this.spec)) return given;
    while (this.kept.length - this.behind >= size) {
      given.push(this.kept.slice(this.behind, this.behind + size));
      this.nGiven += 1;
      this.behind += hop;
    }
    const drop = Math.max(0, this.behind - size); // an overlapping last window reaches at most `size` back
    this.kept = this.kept.slice(drop);
    this.behind -= drop;
    return given;
  }
}

/** The samples with `n` of their mirror image in front; the first sample is not doubled, as in NumPy's "reflect". */
function mirrored(samples: Float32Array, n: number): Float32Array {
  const out = new Float32Array(n + samples.length);
  out.set(samples, n);
  const period = Math.max(1, 2 * (samples.length - 1)); // a stream shorter than the lead is mirrored back and forth
  for (let i = 1; i <= n; i++) {
    const at = i % period;
    out[n - i] = samples[at < samples.length ? at : period - at]!;
  }
  return out;
}

/** Windows full of short audio, one repetition after the other, each window with shorter ones. */
function repeated(sound: Float32Array, { window_samples: size, sample_rate_hz: rateHz }: InputSpec): Float32Array[] {
  const n = sound.length;
  const less = Math.round(SHORTER_SECONDS * rateHz);
  return Array.from({ length: SHORT_WINDOWS }, (_, k) => {
    const length = Math.max(1, Math.floor(n / 2), n - k * less);
    const from = Math.floor((k * n) / SHORT_WINDOWS);
    return Float32Array.from({ length: size }, (_, i) => sound[(from + i) % length]!);
  });
}
