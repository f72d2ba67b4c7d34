/** Tempo and key against numbers from Python (from_python.py): features, what the networks say of them, names of keys. */

import { readFileSync } from "node:fs";
import * as ort from "onnxruntime-web/wasm";
import { describe, expect, it } from "vitest";
import { fromHalfFloats, roundHalfEven, toHalfFloats } from "../src/tempo_key/half_floats";
import { estimateKey } from "../src/tempo_key/key_estimation";
import { TempoKeyMeter } from "../src/tempo_key/meter";
import { keyNames, wheelPlace } from "../src/tempo_key/musical_key";
import { Networks } from "../src/tempo_key/networks";
import { tunedPitches, tuningCents } from "../src/tempo_key/pitch_features";
import { type Key, newKey, type Tempo } from "../src/tempo_key/result";
import { estimateTempo } from "../src/tempo_key/tempo_estimation";
import { refineBpm, tempograms } from "../src/tempo_key/tempogram";
import { noise } from "./noise";
import numbers from "./numbers.json";

type Tune = (typeof numbers.tunes)["drums"] & { chords: number[][] };

const file = (path: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../${path}`, import.meta.url)));
const model = (name: string): Uint8Array => file(`../src/earmark/tagging/bundled/tempo_key/${name}.onnx`);

ort.env.wasm.wasmBinary = file("node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm").buffer;
ort.env.wasm.numThreads = 1;
const networks = new Networks(model("tempo"), model("key"));

/** As in from_python.py. */
function waves({ bpm, drums, fade, chords, tuning_cents, hiss, seconds, rate_hz }: Tune): Float32Array {
  const random = noise(Math.round(seconds * rate_hz), 7);
  return Float32Array.from(random, (x, i) => {
    const t = i / rate_hz;
    const beat = Math.floor((t * bpm) / 60);
    const since = t - (beat * 60) / bpm;
    let out = hiss * x + drums * x * Math.exp(-40 * since) * (beat % 2 ? 1 : 0.3);
    if (beat % 2 === 0) out += drums * Math.sin(2 * Math.PI * 60 * since) * Math.exp(-18 * since);
    const bar = Math.floor(beat / 4);
    const envelope = 0.1 * Math.exp(-fade * (t - (bar * 240) / bpm));
    for (const pitch of chords[bar % chords.length]!) {
      for (const harmonic of [1, 2, 3, 4]) {
        const hz = 440 * 2 ** ((pitch - 69 + tuning_cents / 100) / 12) * harmonic;
        out += envelope * 0.6 ** harmonic * Math.sin(2 * Math.PI * hz * t);
      }
    }
    return out;
  });
}

function meterOf(samples: Float32Array, rateHz: number, size: number): TempoKeyMeter {
  const meter = new TempoKeyMeter(rateHz, networks);
  for (let at = 0; at < samples.length; at += size) meter.add(samples.subarray(at, at + size));
  return meter;
}

/** Every so many of the values are as expected, but for a share that may differ more. */
function expectNear(values: ArrayLike<number>, every: number, expected: number[], tolerance: number, others = 0): void {
  expect(Math.ceil(values.length / every)).toBe(expected.length);
  const far = expected.filter((value, i) => !(Math.abs(values[i * every]! - value) <= tolerance));
  expect(far.length).toBeLessThanOrEqual(others * expected.length);
}

function expectTempo({ bpm, confidence }: Tempo, expected: Tempo): void {
  expect(bpm === null).toBe(expected.bpm === null);
  expect(Math.abs((bpm ?? 0) - (expected.bpm ?? 0))).toBeLessThan(0.11);
  expect(confidence).toBeCloseTo(expected.confidence, 2);
}

function expectKey({ confidence, tuning_hz, ...names }: Key, expected: Key): void {
  expect({ ...expected, ...names }).toEqual(expected);
  expect(confidence).toBeCloseTo(expected.confidence, 2);
  expect(Math.abs(tuning_hz - expected.tuning_hz)).toBeLessThan(0.11);
}

describe("tempo and key", () => {
  for (const [name, tune] of Object.entries(numbers.tunes)) {
    const samples = waves(tune as Tune);
    it.each([333, 1_000_000])(`of ${name} are Python's, in blocks of %i`, async (size) => {
      const meter = meterOf(samples, tune.rate_hz, size);
      meter.flush();
      const { onsetFeatures, pitchFeatures } = meter;
      expect([onsetFeatures.nFrames, pitchFeatures.nSteps]).toEqual([tune.n_frames, tune.n_steps]);
      const [onsets, steps] = [onsetFeatures.onsets(), pitchFeatures.steps()];
      expectNear(onsets, 37, tune.onsets, 1e-3);
      // A partial on the edge of a bin may be in the next one.
      expectNear(steps, 19, tune.steps, 1e-3, 0.02);
      expectNear(pitchFeatures.cents, 7, tune.cents, 0.1, 0.1);
      expectTempo(await estimateTempo(onsets, networks), tune.tempo);
      expectKey(await estimateKey(steps, pitchFeatures.cents, networks), tune.key as Key);
    });
  }
  it("of no audio are none", async () => {
    const { tempo, key } = await new TempoKeyMeter(16_000, networks).finish();
    expect(tempo).toEqual({ bpm: null, confidence: 0 });
    expect(key).toEqual({ ...numbers.tunes.silence.key });
  });

  const long = numbers.tempo_key;
  const n = long.n_frames * 6;
  const onsets = Float32Array.from(noise(n, 8), (x, i) => Math.fround(Math.max(0, x - 0.5)) + (i % 186 < 6 ? 2 : 0));
  it("of more than 64 windows are from some of them, spread evenly", async () => {
    const { grams, nSegments } = tempograms(onsets);
    expect(nSegments).toBe(long.n_segments);
    expectNear(grams, 173, long.tempograms, 1e-3);
    expectTempo(await estimateTempo(onsets, networks), long.tempo);
    [119, 121, 242].forEach((bpm, i) => {
      expect(refineBpm(onsets, bpm)).toBeCloseTo(long.refined[i]!, 3);
    });
  });
  it("of more than 300 steps are from means over neighbours, tuned", async () => {
    const steps = new Float32Array(long.n_steps * 330);
    const loud = noise(steps.length, 9).map(
      (x, i) => 0.01 * Math.abs(x) + ((i % 330) % 60 === 27 && i % 330 > 206 ? 0.25 : 0),
    );
    fromHalfFloats(toHalfFloats(loud), steps, 0);
    const cents = noise(100, 10).map((x, i) => Math.abs(x) + 3 * Math.exp(-0.01 * (i - 95) ** 2));
    expect(tuningCents(cents)).toBeCloseTo(long.tuning_cents, 6);
    for (const { cents, pitches } of long.tuned) {
      expectNear(tunedPitches(steps.subarray(0, 5 * 330), cents), 7, pitches, 1e-3);
    }
    expectKey(await estimateKey(steps, cents, networks), long.key);
  });
});

describe("keys", () => {
  it("have the names that the command line prints", () => {
    expect(numbers.keys.map((_, place) => newKey(place, 0.98765, 440))).toEqual(numbers.keys);
  });
  it("go round the wheel", () => {
    const codes = numbers.keys.map(({ camelot }) => camelot).toSorted((a, b) => wheelPlace(a) - wheelPlace(b));
    expect(codes.slice(0, 4)).toEqual(["1A", "1B", "2A", "2B"]);
    expect(codes.slice(-2)).toEqual(["12A", "12B"]);
    expect(keyNames(18)).toEqual({ key: "F#m", name: "F# minor", camelot: "11A", open_key: "4m" });
  });
});

describe("half floats", () => {
  it.each([0, 2 ** -24, 2 ** -15, 2 ** -14, 0.1, 1, 1.0009765625, 9.21, 65_504])("hold %d", (x) => {
    const back = new Float32Array(1);
    fromHalfFloats(toHalfFloats([x]), back, 0);
    expect(Math.abs(back[0]! - x)).toBeLessThanOrEqual(x * 2 ** -11);
  });
  it("round to even", () => {
    expect([...toHalfFloats([1 + 2 ** -11, 1 + 3 * 2 ** -11, 2.5 * 2 ** -24, 3.5 * 2 ** -24])]).toEqual([
      0x3c00, 0x3c02, 2, 4,
    ]);
    expect([0.5, 1.5, 2.4, 2.5, 3.5].map(roundHalfEven)).toEqual([0, 2, 2, 2, 4]);
  });
  it("hold nothing that is too large, or no number", () => {
    for (const x of [70_000, -1, Number.NaN]) expect(() => toHalfFloats([x])).toThrow("can be kept in 16 bits");
  });
});
