/** The page against numbers from Python (from_python.py): windows, resampling, means, ranks. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Bytes, fromHex } from "../src/bytes";
import type { Card, Conditioning, InputSpec, Rules, Tag } from "../src/card";
import { presentBytes, RIFX, readHeader, shortfall, withRightSizes } from "../src/chunks";
import { toJson } from "../src/exports";
import { fft } from "../src/fft";
import { downmixShares, Mixer } from "../src/mixer";
import { countedSeconds, gapless, id3Size } from "../src/mp3";
import { readOgg } from "../src/ogg";
import { lostShare } from "../src/phases";
import { plainFrames, readPlain } from "../src/plain";
import { isProtectedAsf, isProtectedMp4 } from "../src/protection";
import { Resampler } from "../src/resample";
import { ScaleMeter } from "../src/scale";
import { aggregate, applicableTags, calibrated, displayOrder, ranked, tagApplies, topPerCategory } from "../src/scores";
import { fixed, SilenceMeter } from "../src/silence";
import { SoundStream } from "../src/sound";
import { newTrack } from "../src/track";
import { WindowCutter, windowStarts } from "../src/windows";
import { TagFinder } from "../src/words";
import { noise } from "./noise";
import numbers from "./numbers.json";

const conditioning: Conditioning = {
  level_dbfs: -18,
  silence_range_db: 60,
  silence_dbfs: -80,
  cancelled_share: 0.2,
};

const block = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => i + 1);

/** A signal in pieces of the given size. */
function* pieces(samples: Float32Array, size: number): Generator<Float32Array> {
  for (let at = 0; at < samples.length; at += size) yield samples.subarray(at, at + size);
}

describe("windows", () => {
  for (const { hop, last, lead, cases } of numbers.windows) {
    const spec = {
      sample_rate_hz: 16000,
      window_samples: 8,
      hop_samples: hop,
      last_window: last,
      lead_samples: lead,
    } as InputSpec;
    it.each([1, 3, 8, 100])(`hop ${hop}, ${last}, lead ${lead}, in blocks of %i`, (size) => {
      for (const { n, starts, windows } of cases) {
        expect(windowStarts(n, spec)).toEqual(starts);
        const cutter = new WindowCutter(spec);
        const got = [...pieces(block(n), size)].flatMap((piece) => cutter.push(piece));
        got.push(...cutter.finish());
        expect(got.map((window) => [...window])).toEqual(windows);
        expect(cutter.nSamples).toBe(n);
      }
    });
  }
  for (const { size, samples, starts, windows } of numbers.short) {
    it(`of ${samples.length} samples, with conditioning, are repeated`, () => {
      const spec: InputSpec = {
        sample_rate_hz: 1600,
        window_samples: size,
        hop_samples: size,
        last_window: "overlap",
        lead_samples: 0,
        conditioning,
      };
      expect(windowStarts(samples.length, spec)).toEqual(starts);
      const cutter = new WindowCutter(spec);
      const got = [...pieces(Float32Array.from(samples), 2)].flatMap((piece) => cutter.push(piece));
      got.push(...cutter.finish());
      expect(got.map((window) => [...window])).toEqual(windows);
    });
  }
  it("of nothing are none", () => {
    const spec = { ...numbers.windows[0]!, window_samples: 8, hop_samples: 8, lead_samples: 3 } as unknown as InputSpec;
    expect(windowStarts(0, spec)).toEqual([]);
    expect(new WindowCutter(spec).finish()).toEqual([]);
  });
});

describe("channels", () => {
  const frame = 16_384;
  const every = 211;

  it.each(numbers.shares)("$channels of $n_channels have their shares", ({ n_channels, channels, shares }) => {
    [...downmixShares(n_channels, channels)].forEach((share, i) => {
      expect(share).toBeCloseTo(shares[i]!, 6);
    });
  });
  it("of a usual number have the shares of the usual layout", () => {
    expect(downmixShares(6)).toEqual(downmixShares(6, ["FL", "FR", "FC", "LFE", "SL", "SR"]));
    expect(downmixShares(2)).toEqual(Float32Array.of(0.5, 0.5));
    expect(downmixShares(12)).toEqual(new Float32Array(12).fill(1 / 12));
  });
  it.each(Object.entries(numbers.mixed))("%s are mixed as Python does", (_, { parts, channels, ...expected }) => {
    const n = frame * parts.length;
    const first = noise(n + 48, 1);
    const sources = [first.subarray(48), noise(n, 2), first.subarray(0, n), noise(n, 3), noise(n, 4), noise(n, 5)];
    const mixer = new Mixer(conditioning, channels);
    const mono = parts.flatMap((part, k) => {
      const samples = part.map((shares) =>
        Float32Array.from({ length: frame }, (_, i) =>
          shares.reduce((sum, share, s) => sum + share * sources[s]![k * frame + i]!, shares.some(Boolean) ? 0.01 : 0),
        ),
      );
      expect(lostShare(samples, downmixShares(samples.length, channels), 16_000)).toBeCloseTo(expected.lost[k]!, 3);
      return [...mixer.mix(samples, 16_000)];
    });
    expected.mono.forEach((sample, i) => {
      expect(Math.abs(mono[i * every]! - sample)).toBeLessThan(1e-4);
    });
    expect(mixer.cancelledSeconds).toBeCloseTo(expected.cancelled_seconds, 6);
    expect(mixer.warnings()).toEqual(expected.warnings);
  });
  it("are averaged without conditioning, whatever they are", () => {
    const mixer = new Mixer(null);
    expect(mixer.mix([Float32Array.of(0.5, 1), Float32Array.of(-0.5, 0)], 16_000)).toEqual(Float32Array.of(0, 0.5));
    expect(mixer.warnings()).toEqual([]);
  });
  it("are transformed as by the definition", () => {
    const n = 32;
    const x = noise(n, 3);
    const [re, im] = [Float64Array.from(x), new Float64Array(n)];
    fft(re, im);
    for (let k = 0; k < n; k++) {
      const angle = (i: number): number => (-2 * Math.PI * i * k) / n;
      expect(re[k]).toBeCloseTo(
        x.reduce((sum, value, i) => sum + value * Math.cos(angle(i)), 0),
        9,
      );
      expect(im[k]).toBeCloseTo(
        x.reduce((sum, value, i) => sum + value * Math.sin(angle(i)), 0),
        9,
      );
    }
  });
});

describe("silence", () => {
  const spec: InputSpec = {
    sample_rate_hz: 1600,
    window_samples: 1600,
    hop_samples: 1600,
    last_window: "overlap",
    lead_samples: 0,
    conditioning,
  };
  it.each(numbers.silence)("of levels $levels is as in Python", ({ levels, offset, hop, last, ...expected }) => {
    const samples = Float32Array.from(
      { length: 400 * levels.length - 70 },
      (_, i) => levels[Math.floor(i / 400)]! * (i % 2 ? 1 : -1) + offset,
    );
    const this_spec = { ...spec, hop_samples: hop, last_window: last } as InputSpec;
    const meter = new SilenceMeter(this_spec);
    for (const piece of pieces(samples, 333)) meter.add(piece);
    expect(meter.silentSeconds()).toBeCloseTo(expected.silent_seconds, 6);
    expect(meter.warnings()).toEqual(expected.warnings);
    const weights = meter.weights(windowStarts(samples.length, this_spec))!;
    expect(weights.length).toBe(expected.weights.length);
    weights.forEach((weight, i) => {
      expect(weight).toBeCloseTo(expected.weights[i]!, 6);
    });
  });
  it.each(numbers.sound)("$parts, offset $offset, rumble $rumble_hz Hz, as in Python", ({
    parts,
    offset,
    rumble_hz,
    ...expected
  }) => {
    const waves = parts.flatMap(([n, level]) => [...noise(n!, 3)].map((x) => level! * x + offset));
    const samples = Float32Array.from(waves, (x, i) => x + 0.1 * Math.sin((2 * Math.PI * rumble_hz * i) / 1600));
    for (const size of [333, 50_000]) {
      const stream = new SoundStream(spec);
      const given = [...pieces(samples, size)].flatMap((piece) => [...stream.push(piece)]);
      given.push(...stream.finish());
      expect(stream.leftOut).toEqual(expected.left_out);
      expect([given.length, stream.nGiven]).toEqual([expected.n_given, expected.n_given]);
      expected.begins.forEach((x, i) => {
        expect(given[i]).toBeCloseTo(x, 4);
      });
      const last = given.length - 1;
      expect([0, given.length >> 1, last].map((at) => stream.at(at))).toEqual(expected.places);
      expect(stream.silentSeconds()).toBeCloseTo(expected.silent_seconds, 6);
      expect(stream.warnings()).toEqual(expected.warnings);
    }
  });
  it("is not measured without conditioning", () => {
    const meter = new SilenceMeter({ ...spec, conditioning: null });
    meter.add(new Float32Array(3200));
    expect([meter.silentSeconds(), meter.warnings(), meter.weights([0, 1600])]).toEqual([0, [], null]);
  });
  it.each(numbers.printed)("$x is printed as $text", ({ x, decimals, text }) => {
    expect(fixed(x, decimals)).toBe(text);
  });
});

describe("resampling", () => {
  for (const { from_hz, to_hz, n, every, samples } of numbers.resampled) {
    it.each([64, 3000])(`${from_hz} to ${to_hz} Hz is as soxr's, in blocks of %i`, (size) => {
      const highest = 0.4 * Math.min(from_hz, to_hz);
      const tones = [220, 0.3 * highest, highest];
      const signal = Float32Array.from({ length: 3000 }, (_, i) =>
        tones.reduce((sum, hz, tone) => sum + 0.3 * Math.sin((2 * Math.PI * hz * i) / from_hz + tone), 0),
      );
      const resampler = new Resampler(from_hz, to_hz);
      const out = [...pieces(signal, size)].flatMap((piece) => [...resampler.push(piece)]);
      out.push(...resampler.finish());
      expect(out.length).toBe(n);
      // At the cut ends every filter rings in its own way; inside, the two agree.
      const edge = Math.ceil((0.006 * to_hz) / every);
      samples.slice(edge, -edge).forEach((sample, i) => {
        expect(Math.abs(out[(i + edge) * every]! - sample)).toBeLessThan(2e-4);
      });
    });
  }
  it("lets nothing through from above what the lower rate can hold", () => {
    const resampler = new Resampler(44_100, 16_000);
    const tone = Float32Array.from({ length: 44_100 }, (_, i) => Math.sin((2 * Math.PI * 8_100 * i) / 44_100));
    const out = resampler.push(tone).subarray(1000, 14_000);
    expect(Math.max(...out.map(Math.abs))).toBeLessThan(10 ** (-90 / 20));
  });
  it("of equal rates changes nothing", () => {
    const resampler = new Resampler(16_000, 16_000);
    expect(resampler.push(block(5))).toEqual(block(5));
    expect(resampler.finish().length).toBe(0);
  });
});

describe("scores", () => {
  const { vocabulary, thresholds, scores, record } = numbers.ranked;
  const input = { sample_rate_hz: 1, window_samples: 2, hop_samples: 2, last_window: "pad", lead_samples: 0 } as const;
  const card: Card = {
    name: "m",
    description: "",
    input,
    vocabulary: vocabulary as Tag[],
    thresholds: thresholds as Record<string, number>,
  };

  it("of a file are the mean over its windows", () => {
    const { taggram, n_tags, scores, weights, weighted } = numbers.aggregated;
    aggregate(Float32Array.from(taggram), n_tags).forEach((score, i) => {
      expect(score).toBeCloseTo(scores[i]!, 6);
    });
    aggregate(Float32Array.from(taggram), n_tags, Float32Array.from(weights)).forEach((score, i) => {
      expect(score).toBeCloseTo(weighted[i]!, 6);
    });
    aggregate(Float32Array.from(taggram), n_tags, new Float32Array(5)).forEach((score, i) => {
      expect(score).toBeCloseTo(scores[i]!, 6);
    });
    expect(() => aggregate(new Float32Array(5), 2)).toThrow();
    expect(() => aggregate(new Float32Array(0), 2)).toThrow();
  });
  it("are calibrated as Python does", () => {
    const { calibration, scores: before, calibrated: after } = numbers.calibrated;
    const vocabulary = ["a", "b", "c"].map((name) => ({ name, kind: "classification" as const, category: "other" }));
    calibrated(Float32Array.from(before), { vocabulary, calibration }).forEach((score, i) => {
      expect(score).toBeCloseTo(after[i]!, 6);
    });
    expect(calibrated(Float32Array.from(before), { vocabulary })).toEqual(Float32Array.from(before));
  });
  it("are ranked as Python does", () => {
    expect(ranked(scores, card)).toEqual(record.tags);
    expect(applicableTags(scores, card).map(({ tag }) => tag)).toEqual(numbers.ranked.applicable);
  });
  it("apply by thresholds and rules as in Python", () => {
    const names = (tags: { tag: string }[]): string[] => tags.map(({ tag }) => tag);
    for (const { vocabulary, thresholds, rules, cases } of numbers.applies) {
      const ruled: Card = { ...card, vocabulary: vocabulary as Tag[], thresholds, rules: rules as Rules };
      for (const { scores, applicable: expected, top_per_category: expectedTop } of cases) {
        const these = Float32Array.from(scores);
        expect(names(applicableTags(these, ruled))).toEqual(expected);
        expect(names(topPerCategory(these, ruled))).toEqual(expectedTop);
        const first = displayOrder(these, ruled).slice(0, expected.length);
        expect(first.map((i) => vocabulary[i]!.name)).toEqual(expected);
      }
      expect(new Set(cases.map(({ applicable }) => applicable.length)).size).toBeGreaterThan(3);
    }
    const eight = ["voice", "no voice", "woman", "soprano", "fast", "slow", "slower", "rock"];
    const foreign: Card = {
      ...card,
      vocabulary: eight.map((name) => ({ name, kind: "classification", category: "other" })),
      thresholds: {},
      rules: {
        exclusive: [["fast", "nothing"]],
        requires: { rock: "nothing", nobody: "rock" },
        parents: { slow: ["nothing"], nobody: ["rock"] },
        rivals: { fast: ["nothing"], nobody: ["slow"] },
      },
    };
    expect(tagApplies([1, 1, 1, 1, 1, 1, 1, 1], foreign)).toEqual([true, true, true, true, true, true, true, false]);
  });
  it("are exported as the record that the command line prints", () => {
    const track = newTrack(1, null, "a.mp3");
    track.state = "done";
    track.result = {
      taggram: Float32Array.from(scores),
      scores: Float32Array.from(scores),
      startsSeconds: [0],
      durationSeconds: 1.5,
      silentSeconds: 0,
      silent: false,
      outline: { lows: new Float32Array(1), highs: new Float32Array(1), binSamples: 64 },
      warnings: [],
      tookSeconds: 1,
    };
    const [{ taggram, ...rest }] = JSON.parse(toJson([track], card));
    expect(rest).toEqual(record);
    expect(taggram.scores).toEqual([scores]);
    track.result = { ...track.result, silent: true, silentSeconds: 1.5, warnings: ["silent"] };
    const [{ taggram: _, ...silent }] = JSON.parse(toJson([track], card));
    expect(silent).toEqual(numbers.ranked.silent_record);
  });
});

describe("an MP3's header", () => {
  it.each(Object.entries(numbers.mp3_samples))("of %s has the number of music samples", (name, samples) => {
    const file = new Uint8Array(readFileSync(new URL(`../../examples/clips/${name}`, import.meta.url)));
    const at = id3Size(file);
    const head = file.subarray(at, at + 8192);
    expect(gapless(head).keep).toBe(samples);
    expect(gapless(head, 5000).keep).toBe(null); // joined with another file
    const rate = name.startsWith("03") ? 44_100 : 48_000;
    expect(countedSeconds(head)! - samples / rate).toBeGreaterThan(0);
    expect(countedSeconds(head)! - samples / rate).toBeLessThan(0.1);
  });
  it("of another kind has no numbers", () => {
    expect(gapless(new Uint8Array(5000))).toEqual({ skip: 0, keep: null });
    expect(gapless(new Uint8Array(0))).toEqual({ skip: 0, keep: null });
    expect(id3Size(new Uint8Array(2))).toBe(0);
  });
});

/** A file of zeros behind its head. */
function sparse(head: Uint8Array<ArrayBuffer>, size: number): Bytes {
  return {
    size,
    slice: (start = 0, end = size) => {
      const n = Math.max(0, Math.min(end, size) - start);
      const part = head.subarray(start, start + n);
      return new Blob([part, new Uint8Array(n - part.length)]);
    },
  };
}

describe("the header of a file", () => {
  it.each(Object.entries(numbers.heads))("%s has the sizes that Python reads", async (_, expected) => {
    const file = sparse(fromHex(expected.head), expected.n_bytes);
    const found = await readHeader(file);
    expect(found?.start ?? null).toBe(expected.start);
    if (found && "present" in expected) {
      expect(found.soundBytes).toBe(expected.sound_bytes);
      expect(presentBytes(found, file.size)).toBe(expected.present);
    }
    const seconds = (expected.n_bytes - expected.head.length / 2) / 16_000;
    expect(shortfall(found, file.size, seconds)).toBe(expected.shortfall);
  });
  it("is written anew with right sizes", async () => {
    const { head, n_bytes } = numbers.heads["w64 of unknown size"];
    const sound = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
    const file = await withRightSizes(new Blob([fromHex(head), sound]));
    const found = (await readHeader(file))!;
    expect(n_bytes).toBeGreaterThan(1000);
    expect([found.kind, found.soundBytes, found.fileBytes]).toEqual(["RIFF", 1000, file.size]);
    expect(new Uint8Array(await file.slice(found.start).arrayBuffer())).toEqual(sound);
    const other = new Blob([fromHex(numbers.heads.aiff.head)]);
    expect(await withRightSizes(other)).toBe(other);
  });
  it.each([
    ["integers", 1, [-5120, 256, 0x4000_0000], 32],
    ["Cool Edit's floats", 1, [0, 0x4500_0000, 0x4600_0000], 24],
    ["integers with the longer header", 0xfffe, [0, 0x4500_0000], 32],
  ])("of 24 bits in 32, %s", async (_, tag, samples, bits) => {
    const format = new DataView(new ArrayBuffer(tag === 1 ? 16 : 40));
    [tag, 1, 8000, 0, 32_000, 0, 4, 24, 22, 24].forEach((value, i) => {
      if (2 * i < format.byteLength) format.setUint16(2 * i, value, true);
    });
    if (tag !== 1) new Uint8Array(format.buffer).set(fromHex("0100000000001000800000aa00389b71"), 24);
    const word = (letters: string, size: number) =>
      Uint8Array.of(...[...letters].map((letter) => letter.charCodeAt(0)), size, 0, 0, 0);
    const size = 4 * samples.length;
    const content = [word("RIFF", 200), "WAVE", word("fmt ", format.byteLength), format, word("data", size)];
    const file = await withRightSizes(new Blob([...content, Int32Array.from(samples)]));
    const found = (await readHeader(file))!.format!;
    expect(found[14]).toBe(bits);
    if (tag !== 1) expect(found[18]).toBe(bits);
  });
  it("of a big-endian WAV is refused in Python's words", () => {
    expect(RIFX).toBe(numbers.rifx);
  });
});

describe("encryption is found as in Python", () => {
  it.each(numbers.mp4s)("MP4: $protected", async ({ file, first_track, protected: expected }) => {
    const blob = new Blob([fromHex(file)]);
    const found = await Promise.all(expected.map((_, track) => isProtectedMp4(blob, first_track + track)));
    expect(found).toEqual(expected);
    expect(await isProtectedMp4(blob, null)).toBe(expected.some(Boolean));
    expect(await isProtectedMp4(blob, 99)).toBe(false);
  });
  it.each(numbers.asfs)("WMA: $protected", async ({ file, protected: expected }) => {
    expect(await isProtectedAsf(new Blob([fromHex(file)]))).toBe(expected);
  });
});

const clip = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../examples/clips/${name}`, import.meta.url)));

describe("an Ogg file", () => {
  it.each(Object.entries(numbers.oggs))("%s has the pages that Python counts", async (_, expected) => {
    const joined = new Uint8Array(await new Blob(expected.names.map(clip)).arrayBuffer());
    for (const place of expected.places) joined[Math.floor(place * joined.length)]! ^= 0xff;
    const found = await readOgg(new Blob([joined.subarray(0, Math.floor(expected.share * joined.length))]));
    expect(found?.links.length ?? null).toBe(expected.links?.length ?? null);
    if (!found || !("n_pages" in expected)) return;
    const { nPages, nLost, mayBeCutOff, differ, links } = found;
    expect([nPages, nLost]).toEqual([expected.n_pages, expected.n_lost]);
    expect([mayBeCutOff, differ]).toEqual([expected.may_be_cut_off, expected.differ]);
    if (!nLost && !mayBeCutOff) {
      expect(links.map(({ size }) => size)).toEqual(expected.links!.map(([start, end]) => end! - start!));
    }
  });
});

describe("samples beyond the scale", () => {
  it.each(numbers.loud)("$error $warnings", ({ blocks, is_lossy, warnings, error }) => {
    const meter = new ScaleMeter(is_lossy);
    for (const samples of blocks) meter.add(Float32Array.from(samples), 100);
    const found = (): string[] => meter.warnings(blocks.flat().length / 100);
    if (error === null) expect(found()).toEqual(warnings);
    else expect(found).toThrow(error);
  });
});

describe("words", () => {
  it.each(numbers.words)("of tags are those of Python", ({ names, found, words }) => {
    const finder = new TagFinder(names);
    for (const [word, { spelled, meant }] of Object.entries(found)) {
      expect([word, finder.spelled(word), finder.meant(word)]).toEqual([word, spelled, meant]);
    }
    expect(Object.fromEntries(finder.words())).toEqual(words);
  });
});

describe("uncompressed sound that the page reads itself", () => {
  for (const { kind, file, samples } of numbers.plain) {
    it(`has the samples that FFmpeg decodes: ${kind}`, async () => {
      const content = new Blob([Buffer.from(file, "base64")]);
      const sound = (await readPlain(content))!;
      expect([sound.sampleRateHz, sound.nChannels]).toEqual([22_050, 2]);
      const frames: Float32Array[][] = [];
      for await (const frame of plainFrames(content, sound)) frames.push(frame);
      expect(frames.map((channels) => channels.map((channel) => Array.from(channel)))).toEqual([samples]);
      for (let n = 0; n < content.size; n++) await readPlain(content.slice(0, n)); // cut anywhere, it ends somehow
    });
  }
});
