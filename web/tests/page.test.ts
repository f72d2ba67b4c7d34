/** Parts of the page that need no browser. */

import { describe, expect, it } from "vitest";
import type { Card } from "../src/card";
import { byCategory } from "../src/card";
import { clock } from "../src/clock";
import { toCsv, toJson, toM3u } from "../src/exports";
import { isAudioName } from "../src/files";
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
    outline: { lows: new Float32Array(1), highs: new Float32Array(1), stretchSamples: 64 },
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
});

it("the window at a time is the last that began before it", () => {
  const starts = [0, 2, 4, 5.5];
  expect([-1, 0, 1.9, 2, 5.4, 5.5, 99].map((at) => windowAt(starts, at))).toEqual([0, 0, 0, 1, 2, 3, 3]);
});

it("the strongest colour is for the next tenth above all scores", () => {
  const tops = [[0.01], [0.31, 0.62], [0.4], [0.99], [1]].map((scores) => rampTop(Float32Array.from(scores)));
  expect(tops).toEqual([0.3, 0.7, 0.4, 1, 1]);
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
  const { lows, highs, stretchSamples } = maker.outline();
  expect(lows.length).toBe(Math.ceil(1_000_000 / stretchSamples));
  expect(lows.length).toBeLessThanOrEqual(4096);
  expect(highs.indexOf(0.75)).toBe(Math.floor(570_123 / stretchSamples));
  expect(lows.indexOf(-0.5)).toBe(Math.floor(809_999 / stretchSamples));
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
