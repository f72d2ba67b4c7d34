/** What a mix of channels loses because they differ in phase; constants as in src/earmark/audio/phase_loss.py. */

import { fft } from "./fft";

const FFT_SECONDS = 0.08;
const SEGMENTS = 8;
const LEAST_FFT_SAMPLES = 64;
const LEAST_SOUNDING = 1.3;
const FIRST_BIN = 4;
const BANDS_PER_OCTAVE = 3;
const HIGHEST_HZ = 8_000;
const FAINTEST_BAND = 1e-6;

/**
 * Share, 0..1, of the sound that a mix of channels loses because they differ in phase: a mean over bands, from the channels'
 * cross-spectra without what these hold by chance; as in src/earmark/audio/phase_loss.py.
 */
export function lostShare(samples: readonly Float32Array[], shares: Float32Array, sampleRateHz: number): number {
  const used = samples.map((_, channel) => channel).filter((channel) => shares[channel] !== 0);
  const nSamples = samples[0]!.length;
  let size = 2 ** Math.round(Math.log2(sampleRateHz * FFT_SECONDS));
  let firstBin = FIRST_BIN;
  while (nSamples < SEGMENTS * size && size > LEAST_FFT_SAMPLES) {
    size /= 2;
    firstBin = Math.max(2, Math.floor(firstBin / 2));
  }
  const nSegments = Math.min(SEGMENTS, Math.floor(nSamples / size));
  const endBin = Math.min(size / 2, Math.trunc((size * HIGHEST_HZ) / sampleRateHz)) + 1;
  const nBins = endBin - firstBin;
  if (used.length < 2 || nSegments < 1 || nBins < 1) return 0; // the last: a few samples at a high rate
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / (size - 1)));
  // Sums over segments, for each channel and each pair of them.
  const energies = used.map(() => new Float64Array(nBins));
  const pairs = used.flatMap((_, i) => used.slice(0, i).map((_, j) => ({ i, j })));
  const cross = pairs.map(() => ({
    re: new Float64Array(nBins),
    im: new Float64Array(nBins),
    byChance: new Float64Array(nBins),
  }));
  const re = used.map(() => new Float64Array(size));
  const im = used.map(() => new Float64Array(size));
  const powers = used.map(() => new Float64Array(nBins));
  for (let segment = 0; segment < nSegments; segment++) {
    const start = nSegments > 1 ? Math.trunc((segment * (nSamples - size)) / (nSegments - 1)) : 0;
    used.forEach((channel, i) => {
      const x = samples[channel]!;
      const share = shares[channel]!;
      for (let k = 0; k < size; k++) re[i]![k] = x[start + k]! * share * window[k]!;
      im[i]!.fill(0);
      fft(re[i]!, im[i]!);
      for (let k = 0; k < nBins; k++) {
        powers[i]![k] = re[i]![k + firstBin]! ** 2 + im[i]![k + firstBin]! ** 2;
        energies[i]![k]! += powers[i]![k]!;
      }
    });
    pairs.forEach(({ i, j }, pair) => {
      const sums = cross[pair]!;
      for (let k = 0; k < nBins; k++) {
        const [a, b] = [re[i]![k + firstBin]!, im[i]![k + firstBin]!];
        const [c, d] = [re[j]![k + firstBin]!, im[j]![k + firstBin]!];
        sums.re[k]! += a * c + b * d;
        sums.im[k]! += b * c - a * d;
        sums.byChance[k]! += powers[i]![k]! * powers[j]![k]!;
      }
    });
  }
  const bandOf = (bin: number) => Math.trunc(Math.log2((bin + firstBin) / firstBin) * BANDS_PER_OCTAVE);
  const lost = new Float64Array(bandOf(nBins - 1) + 1);
  const total = new Float64Array(lost.length);
  for (let k = 0; k < nBins; k++) {
    const energy = energies.reduce((sum, one) => sum + one[k]!, 0);
    const known = pairs.flatMap(({ i, j }, pair) => {
      const { re, im, byChance } = cross[pair]!;
      const atMost = energies[i]![k]! * energies[j]![k]!;
      if (atMost <= byChance[k]! * LEAST_SOUNDING) return [];
      const square = (re[k]! ** 2 + im[k]! ** 2 - byChance[k]!) / (1 - byChance[k]! / atMost);
      return [{ common: Math.sign(square) * Math.sqrt(Math.abs(square)), real: re[k]! }];
    });
    if (known.length) total[bandOf(k)]! += energy;
    for (const { common, real } of known) {
      total[bandOf(k)]! += 2 * common;
      lost[bandOf(k)]! += 2 * (common - real);
    }
  }
  const faintest = Math.max(0, ...total) * FAINTEST_BAND;
  const losses = [...lost].flatMap((value, band) =>
    total[band]! > faintest ? [Math.max(-1, Math.min(1, value / total[band]!))] : [],
  );
  return losses.length ? Math.max(0, losses.reduce((sum, value) => sum + value, 0) / losses.length) : 0;
}
