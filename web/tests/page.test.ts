/** Parts of the page that need no browser. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { Card } from "../src/card";
import { byCategory } from "../src/card";
import { clock } from "../src/clock";
import { toCsv, toJson, toM3u } from "../src/exports";
import { isAudioName } from "../src/files";
import { findFlacFrame, readFlacHead } from "../src/flac";
import { walkFrames } from "../src/frames";
import { type Facts, missingAudio, noFacts, warningsOf } from "../src/integrity";
import { MonoMaker } from "../src/mono";
import { OutlineMaker } from "../src/peaks";
import { rampTop, rowsOf, windowAt } from "../src/taggram";
import { newTrack, type Track } from "../src/track";
import { channelNames, wav } from "../src/wav";

const card: Card = {
  name: "m",
  description: "",
  input: { sample_rate_hz: 16000, window_samples: 32000, hop_samples: 32000, last_window: "pad", lead_samples: 0 },
  vocabulary: [
    { name: "calm", kind: "regression", category: "mood" },
    { name: "rock, hard", kind: "classification", category: "genre" },
    { name: "flute", kind: "classification", category: "instrument" },
    { name: "jazz", kind: "classification", category: "genre" },
  ],
  thresholds: {},
};

function tagged(path: string, scores: number[]): Track {
  const track = newTrack(1, null, path);
  track.state = "done";
  track.result = {
    taggram: Float32Array.from(scores),
    scores: Float32Array.from(scores),
    startsSeconds: [0],
    durationSeconds: 61.25,
    silentSeconds: 0,
    silent: false,
    outline: { lows: new Float32Array(1), highs: new Float32Array(1), binSamples: 64 },
    warnings: ["silent"],
    tookSeconds: 1,
  };
  return track;
}

function failed(path: string): Track {
  const track = newTrack(2, null, path);
  track.state = "failed";
  track.error = 'not "audio"';
  return track;
}

describe("exports", () => {
  const tracks = [tagged("my music/a, b.mp3", [0.5, 0.25, 0.125, 1]), failed("x\ny.txt"), newTrack(3, null, "z.mp3")];

  it("as CSV quote what needs it, and leave out what is not finished", () => {
    expect(toCsv(tracks, card)).toBe(
      'path,status,error,duration_seconds,model,calm,"rock, hard",flute,jazz\n' +
        '"my music/a, b.mp3",ok,,61.250,m,0.5000,0.2500,0.1250,1.0000\n' +
        '"x\ny.txt",error,"not ""audio""",,m,,,,\n',
    );
  });
  it("as JSON have errors in their place", () => {
    const [good, bad, ...more] = JSON.parse(toJson(tracks, card));
    expect(more).toEqual([]);
    expect(good.tags[0]).toEqual({ tag: "jazz", score: 1, kind: "classification", category: "genre" });
    expect(good.warnings).toEqual(["silent"]);
    expect(bad).toMatchObject({
      status: "error",
      error: 'not "audio"',
      duration_seconds: null,
      tags: [],
      taggram: null,
    });
  });
  it("have degrees apart from tags, and of a silent file none", () => {
    const graded: Card = { ...card, thresholds: { jazz: 0.5 } };
    const [good, bad] = JSON.parse(toJson(tracks, graded));
    expect(good.degrees).toEqual({ calm: 0.5 });
    expect(good.tags.map(({ tag }: { tag: string }) => tag)).toEqual(["jazz", "rock, hard", "flute"]);
    expect(bad.degrees).toEqual({});
    expect(JSON.parse(toJson(tracks, card))[0].degrees).toEqual({});
    const quiet = tagged("quiet.mp3", [0, 0, 0, 0]);
    quiet.result!.silent = true;
    expect(JSON.parse(toJson([quiet], graded))[0].degrees).toEqual({});
  });
  it("as a play list have a line a file, whatever its name", () => {
    const odd = tagged("my music/new\nline.mp3", [0, 0, 0, 0]);
    expect(toM3u([tracks[0]!, tracks[1]!, odd])).toBe(
      "#EXTM3U\n#EXTINF:61,a, b.mp3\nmy music/a, b.mp3\n#EXTINF:61,new line.mp3\nmy music/new line.mp3\n",
    );
  });
});

describe("categories", () => {
  it("come in their order, without the empty ones", () => {
    const names = byCategory(card.vocabulary).map(([category, tags]) => [category, tags.map(({ name }) => name)]);
    expect(names).toEqual([
      ["genre", ["rock, hard", "jazz"]],
      ["instrument", ["flute"]],
      ["mood", ["calm"]],
    ]);
  });
  it("that a later model may have are not lost", () => {
    const odd = [{ name: "x", kind: "classification", category: "smell" } as const];
    expect(byCategory(odd)).toEqual([["smell", odd]]);
  });
  it("of a taggram hold the strongest tags, the strongest first, but what does not hold comes last", () => {
    expect(rowsOf([0.5, 0.25, 0.125, 1], { ...card, thresholds: { calm: 0.6, jazz: 0.9, flute: 0.1 } }, 2)).toEqual([
      ["genre", [3, 1]],
    ]);
    expect(rowsOf([0.5, 0.25, 0.125, 1], card, 3)).toEqual([
      ["genre", [3, 1]],
      ["mood", [0]],
    ]);
  });
  it("of a taggram hold no degrees, however high they are", () => {
    expect(rowsOf([1, 0.25, 0.125, 1], { ...card, thresholds: { jazz: 0.9 } }, 4)).toEqual([
      ["genre", [3, 1]],
      ["instrument", [2]],
    ]);
  });
});

it("the window at a time is the last that began before it", () => {
  const starts = [0, 2, 4, 5.5];
  expect([-1, 0, 1.9, 2, 5.4, 5.5, 99].map((at) => windowAt(starts, at))).toEqual([0, 0, 0, 1, 2, 3, 3]);
});

it("the strongest colour is for the next tenth above all scores", () => {
  const tops = [[0.01], [0.31, 0.62], [0.4], [0.99], [1]].map((scores) => rampTop(Float32Array.from(scores)));
  expect(tops).toEqual([0.3, 0.7, 0.4, 1, 1]);
  expect(rampTop(Float32Array.from([0.9, 0.4, 0.95, 0.5]), [true, false])).toBe(0.5); // without degrees
});

it("an outline of any length stays small, and holds every peak", () => {
  const maker = new OutlineMaker();
  const block = new Float32Array(10_000);
  for (let i = 0; i < 100; i++) {
    block.fill(0);
    if (i === 57) block[123] = 0.75;
    if (i === 80) block[9_999] = -0.5;
    maker.push(block);
  }
  const { lows, highs, binSamples } = maker.outline();
  expect(lows.length).toBe(Math.ceil(1_000_000 / binSamples));
  expect(lows.length).toBeLessThanOrEqual(4096);
  expect(highs.indexOf(0.75)).toBe(Math.floor(570_123 / binSamples));
  expect(lows.indexOf(-0.5)).toBe(Math.floor(809_999 / binSamples));
});

it("audio files in a folder are found by suffix", () => {
  expect(["a.MP3", "b.flac", "c.jpg", "._d.mp3", "mp3", "e.m3u"].filter(isAudioName)).toEqual(["a.MP3", "b.flac"]);
  expect(["f.webm", "g.Mp4", "h.wmv", "i.ts", "j.avi"].filter(isAudioName)).toEqual([
    "f.webm",
    "g.Mp4",
    "h.wmv",
    "j.avi",
  ]);
});

it("clocks go on beyond an hour", () => {
  expect([0, 59.6, 61, 3600, 7261].map(clock)).toEqual(["0:00", "1:00", "1:01", "1:00:00", "2:01:01"]);
});

it("a recording becomes a WAV file", async () => {
  const file = wav([Float32Array.of(0, 0.5), Float32Array.of(-1, 2)], 48_000, 2);
  const view = new DataView(await file.arrayBuffer());
  expect(view.byteLength).toBe(52);
  expect([view.getUint32(24, true), view.getUint16(22, true), view.getUint32(40, true)]).toEqual([48_000, 2, 8]);
  expect([view.getUint32(28, true), view.getUint16(32, true)]).toEqual([192_000, 4]);
  expect([44, 46, 48, 50].map((at) => view.getInt16(at, true))).toEqual([0, 16_384, -32_768, 32_767]);
});

describe("channels of a WAV file", () => {
  const head = (tag: number, mask: number): Blob => {
    const view = new DataView(new ArrayBuffer(80));
    const text = (at: number, word: string): void => {
      [...word].forEach((letter, i) => {
        view.setUint8(at + i, letter.charCodeAt(0));
      });
    };
    text(0, "RIFF");
    text(8, "WAVEJUNK"); // other chunks may come first; they are padded to an even length
    view.setUint32(16, 3, true);
    text(24, "fmt ");
    view.setUint32(28, 40, true);
    view.setUint16(32, tag, true);
    view.setUint32(52, mask, true);
    return new Blob([view]);
  };
  it("are those that its header names", async () => {
    expect(await channelNames(head(0xfffe, 0x60f))).toEqual(["FL", "FR", "FC", "LFE", "SL", "SR"]);
    expect(await channelNames(head(0xfffe, 0))).toEqual([]);
    expect(await channelNames(head(1, 0x3f))).toEqual([]);
  });
  it("are not known of other files, or of none", async () => {
    expect(await channelNames(new Blob(["fLaC, and much more"]))).toBe(null);
    expect(await channelNames(new Blob([]))).toBe(null);
    expect(await channelNames(new Blob(["RIFF....WAVEfmt "]))).toEqual([]);
  });
});

const clip = (name: string): Uint8Array<ArrayBuffer> =>
  new Uint8Array(readFileSync(new URL(`../../examples/clips/${name}`, import.meta.url)));

describe("frames of an MP3", () => {
  const music = clip("03-rock.mp3");
  const half = music.length >> 1;
  const walked = (...parts: BlobPart[]) => walkFrames(new Blob(parts), "mp3");
  it("follow each other", async () => {
    const { runs, nLost, endsInside } = await walked(music);
    expect([runs.length, runs[0]![1], nLost, endsInside]).toEqual([1, music.length, 0, false]);
  });
  it("are counted where they cannot be found", async () => {
    const { nFrames } = await walked(music);
    const one = await walked(music.subarray(0, half), music.subarray(half + 100));
    expect([one.runs.length, one.nLost, one.nFrames]).toEqual([2, 1, nFrames - 1]);
    const many = await walked(music.subarray(0, half), new Uint8Array(20_000).fill(7), music.subarray(half));
    expect(many.nLost).toBeGreaterThan((20_000 / music.length) * nFrames - 3);
  });
  it("may have tags and padding between and behind them", async () => {
    const [[, end]] = (await walked(music)).runs as [[number, number]];
    const tag = new Uint8Array(300).fill(65);
    tag.set([0x54, 0x41, 0x47]);
    for (const between of [tag, new Uint8Array(3000)]) {
      const found = await walked(music.subarray(0, end), between, music, tag);
      expect([found.runs.length, found.nLost, found.endsInside]).toEqual([2, 0, false]);
    }
  });
  it("may end with the file, within one", async () => {
    for (const n of [1, 100, 300]) expect((await walked(music.subarray(0, -n))).endsInside).toBe(true);
    expect((await walkFrames(new Blob([]), "mp3")).runs).toEqual([]);
    expect((await walkFrames(new Blob([clip("01-piano.flac")]), "adts")).nFrames).toBe(0);
  });
});

it("frames of a FLAC file are found by their first samples", async () => {
  const file = new Blob([clip("01-piano.flac")]);
  const head = (await readFlacHead(file))!;
  let [at, sample, n] = [0, 0, 0];
  for (;;) {
    const next = await findFlacFrame(file, at, sample, head);
    if (!next) break;
    expect(next.sample).toBe(n * head.blockSamples);
    at = next.at + 1;
    sample = next.sample + 1;
    n += 1;
  }
  expect(n).toBe(314);
  expect(await findFlacFrame(file, 0, 1e9, head)).toBe(null);
  expect(await readFlacHead(new Blob([clip("03-rock.mp3")]))).toBe(null);
});

describe("a file", () => {
  const facts = (some: Partial<Facts>, log = {}): Facts => ({
    ...noFacts(),
    ...some,
    log: { ...noFacts().log, ...log },
  });
  const nothing = new Blob([]);
  const mono = (seconds: number): MonoMaker => {
    const maker = new MonoMaker(null, null, false);
    maker.add([new Float32Array(1000 * seconds).fill(0.5)], 1000);
    return maker;
  };
  it("is cut off where much is missing of what it declares", async () => {
    const declared = facts({ length: "header", declaredSeconds: 10 });
    expect(await missingAudio(nothing, declared, 9.6)).toBe(null);
    expect(await missingAudio(nothing, declared, 7.25)).toBe(
      "truncated or damaged: 7.2 s decode of the 10.0 s it declares",
    );
    const skipped = facts({ length: "header", declaredSeconds: 10 }, { nPackets: 400, nDamaged: 2, damagedSeconds: 1 });
    expect(await missingAudio(nothing, skipped, 9)).toBe(null);
  });
  it("with a little damage has a note, with much another one", async () => {
    const warnings = (nDamaged: number, more: Partial<Facts> = {}) =>
      warningsOf(nothing, facts({ length: "header", ...more }, { nPackets: 400, nDamaged }), mono(1));
    expect(await warnings(0)).toEqual([]);
    expect(await warnings(3, { nLost: 1 })).toEqual(["damaged: 4 of 401 packets skipped"]);
    expect(await warnings(5)).toEqual(["damaged: 5 of 400 packets cannot be decoded"]);
    const ogg = { nPages: 20, nLost: 2, mayBeCutOff: true, differ: false };
    expect(await warnings(0, { ogg })).toEqual([
      "damaged: 2 of 20 Ogg pages are lost",
      "perhaps cut off: its last Ogg page is not marked as the end",
    ]);
    expect(await warnings(0, { ogg: { ...ogg, nLost: 3 } })).toEqual(["damaged: 3 of 20 Ogg pages are lost"]);
  });
  it("with samples that are no numbers is refused, with the place of the first", () => {
    const maker = mono(2);
    const odd = new Float32Array(30);
    odd[20] = Number.NaN;
    expect(() => maker.add([odd], 1000)).toThrow("holds NaN or infinite samples, the first at 2.02 s");
    odd[20] = Number.NEGATIVE_INFINITY;
    expect(() => maker.add([odd], 1000)).toThrow("holds NaN or infinite samples");
    expect(() => maker.add([Float32Array.of(0)], 999)).toThrow("not audio: a sample rate of 999 Hz");
  });
  it("of a lossy codec is clipped where it is damaged", () => {
    const maker = new MonoMaker(null, null, true);
    expect(maker.add([Float32Array.of(-20, 0.5)], 1000)).toEqual(Float32Array.of(-1, 0.5));
    maker.add([new Float32Array(1000).fill(0.5)], 1000);
    expect(maker.warnings(["a note"])).toEqual(["damaged: samples up to 20 clipped to -1..1", "a note"]);
  });
});
