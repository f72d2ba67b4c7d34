/** Decodes, resamples, cuts and scores, away from the page, so that it stays responsive. One file at a time. */

import * as ort from "onnxruntime-web/wasm";
import cardText from "../generated/card.json?raw";
import keyUrl from "../generated/key.bin?url";
import modelUrl from "../generated/model.bin?url";
import ortUrl from "../generated/ort.bin?url";
import ortScriptUrl from "../generated/ort.mjs?url";
import tempoUrl from "../generated/tempo.bin?url";
import type { Card } from "./card";
import { type Block, open } from "./decode";
import { AudioError, NotThisWay, reason } from "./errors";
import type { FromWorker, Pcm, Result, ToWorker } from "./messages";
import { OutlineMaker } from "./peaks";
import { Resampler } from "./resample";
import { aggregate, calibrated } from "./scores";
import { SoundStream } from "./sound";
import { TempoKeyMeter } from "./tempo_key/meter";
import { Networks } from "./tempo_key/networks";
import { WindowCutter, windowStarts } from "./windows";

const BATCH_WINDOWS = 4;

const card = JSON.parse(cardText) as Card;
const spec = card.input;
const post = (message: FromWorker, transfer: Transferable[] = []): void =>
  (self as unknown as Worker).postMessage(message, transfer);

let session: ort.InferenceSession;
let networks: Networks | null = null; // for tempo and key
let useWebCodecs = true;
const cancelled = new Set<number>();
let queue: Promise<void> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type === "cancel") cancelled.add(data.id);
  else if (data.type === "load") void load(data.threads, data.webCodecs);
  else queue = queue.then(() => answer(data));
};

async function load(threads: number, webCodecs: boolean): Promise<void> {
  useWebCodecs = webCodecs && typeof AudioDecoder !== "undefined";
  try {
    const [wasm, model, tempoKey] = await Promise.all([unpacked(ortUrl), unpacked(modelUrl), tempoKeyNetworks()]);
    networks = tempoKey;
    ort.env.wasm.wasmBinary = wasm;
    ort.env.wasm.wasmPaths = { mjs: new URL(ortScriptUrl, self.location.href).href };
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    session = await ort.InferenceSession.create(new Uint8Array(model), { graphOptimizationLevel: "all" });
    await score([new Float32Array(spec.window_samples)]); // the first run compiles and is slow
    disableNetwork();
    post({ type: "ready", card, threads, hasTempoKey: networks !== null });
  } catch (error) {
    post({ type: "not-ready", reason: reason(error) });
  }
}

/** Null where a server has none: all else works without them. */
async function tempoKeyNetworks(): Promise<Networks | null> {
  try {
    const [tempo, key] = await Promise.all([unpacked(tempoUrl), unpacked(keyUrl)]);
    return new Networks(new Uint8Array(tempo), new Uint8Array(key));
  } catch (error) {
    console.warn("no tempo and key:", reason(error));
    return null;
  }
}

/** The bytes of a file of ours, which is gzip (a server may have unpacked it on the way). */
async function unpacked(url: string): Promise<ArrayBuffer> {
  const response = await fetch(new URL(url, self.location.href));
  if (!response.ok) throw new Error(`${new URL(response.url).pathname}: HTTP ${response.status}`);
  const bytes = await response.arrayBuffer();
  const [first, second] = new Uint8Array(bytes, 0, 2);
  if (first !== 0x1f || second !== 0x8b) return bytes;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Removes all network functions of this worker. */
function disableNetwork(): void {
  for (const name of ["fetch", "XMLHttpRequest", "WebSocket", "EventSource", "WebTransport", "importScripts"]) {
    Object.defineProperty(self, name, { value: undefined, configurable: false, writable: false });
  }
}

async function score(windows: Float32Array[]): Promise<Float32Array> {
  const batch = new Float32Array(windows.length * spec.window_samples);
  windows.forEach((window, i) => {
    batch.set(window, i * spec.window_samples);
  });
  const waveform = new ort.Tensor("float32", batch, [windows.length, spec.window_samples]);
  const { probabilities } = await session.run({ waveform }, ["probabilities"]);
  return (await probabilities!.getData()) as Float32Array;
}

async function answer(data: Extract<ToWorker, { type: "tag" | "tag-pcm" }>): Promise<void> {
  const { id } = data;
  try {
    if (cancelled.has(id)) return;
    const source =
      data.type === "tag" ? await open(data.file, spec.conditioning ?? null, useWebCodecs) : fromPcm(data.pcm);
    const meter = data.tempoKey && networks ? new TempoKeyMeter(spec.sample_rate_hz, networks) : null;
    const result = await tagSource(id, source, meter);
    if (result === null) return;
    const { taggram, scores, outline } = result;
    post({ type: "done", id, result }, [
      taggram.buffer as ArrayBuffer,
      scores.buffer as ArrayBuffer,
      outline.lows.buffer as ArrayBuffer,
      outline.highs.buffer as ArrayBuffer,
    ]);
  } catch (error) {
    const retry = error instanceof NotThisWay ? error : null;
    post({
      type: "failed",
      id,
      reason: reason(error),
      retry: retry && { facts: retry.facts, sampleRateHz: retry.sampleRateHz, saysWhy: retry.saysWhy },
    });
  } finally {
    cancelled.delete(id);
  }
}

interface Source {
  promisedSeconds: number | null;
  blocks: AsyncIterable<Block> | Iterable<Block>;
  /** Complete after the last block. */
  warnings(): Promise<string[]>;
}

function fromPcm({ mono, sampleRateHz, warnings }: Pcm): Source {
  function* blocks(): Generator<Block> {
    for (let at = 0; at < mono.length; at += 32_768) yield { mono: mono.subarray(at, at + 32_768), sampleRateHz };
  }
  return { promisedSeconds: mono.length / sampleRateHz, blocks: blocks(), warnings: async () => warnings };
}

/** From samples to scores, and what the meter estimates; null if the page has cancelled the file. */
async function tagSource(id: number, source: Source, meter: TempoKeyMeter | null): Promise<Result | null> {
  const started = performance.now();
  let rateHz = 0;
  let resampler: Resampler | null = null;
  const cutter = new WindowCutter(spec);
  const sound = new SoundStream(spec);
  const outline = new OutlineMaker();
  const batches: Float32Array[] = [];
  let waiting: Float32Array[] = [];
  let durationSeconds = 0;
  let reportedAt = started;

  const take = async (block: Float32Array, last: boolean): Promise<void> => {
    outline.push(block);
    const parts = last ? [sound.push(block), sound.finish()] : [sound.push(block)];
    for (const part of parts) {
      meter?.add(part);
      waiting.push(...cutter.push(part));
    }
    if (last) waiting.push(...cutter.finish());
    while (waiting.length >= BATCH_WINDOWS || (last && waiting.length)) {
      batches.push(await score(waiting.slice(0, BATCH_WINDOWS)));
      waiting = waiting.slice(BATCH_WINDOWS);
    }
  };

  for await (const { mono, sampleRateHz } of source.blocks) {
    if (cancelled.has(id)) return null;
    if (resampler === null || sampleRateHz !== rateHz) {
      if (resampler !== null) await take(resampler.finish(), false); // another stream goes on at another rate
      rateHz = sampleRateHz;
      resampler = new Resampler(rateHz, spec.sample_rate_hz);
    }
    durationSeconds += mono.length / sampleRateHz;
    await take(resampler.push(mono), false);
    if (performance.now() - reportedAt > 100) {
      reportedAt = performance.now();
      post({ type: "progress", id, seconds: durationSeconds, ofSeconds: source.promisedSeconds });
      await new Promise((resolve) => setTimeout(resolve)); // lets a "cancel" in
    }
  }
  if (resampler === null || durationSeconds === 0) throw new NotThisWay("holds no audio samples", true);
  await take(resampler.finish(), true);
  if (sound.nSamples === 0) throw new AudioError("holds no audio samples");
  const warnings = [...(await source.warnings()), ...sound.warnings()];

  const nTags = card.vocabulary.length;
  const taggram = new Float32Array(batches.reduce((n, batch) => n + batch.length, 0));
  let at = 0;
  for (const batch of batches) {
    taggram.set(batch, at);
    at += batch.length;
  }
  const starts = windowStarts(cutter.nSamples, spec);
  const weights = sound.meter.weights(starts);
  const silent = weights?.every((weight) => weight === 0) ?? false;
  const windowScores = calibrated(taggram, card);
  weights?.forEach((weight, i) => {
    if (weight === 0) windowScores.fill(0, i * nTags, (i + 1) * nTags);
  });
  return {
    ...(await meter?.finish()),
    taggram: windowScores,
    scores: silent ? new Float32Array(nTags) : calibrated(aggregate(taggram, nTags, weights), card),
    startsSeconds: starts.map((start) => sound.at(Math.max(0, start)) / spec.sample_rate_hz),
    leftOutSeconds: sound.leftOut.map(([begin, end]) => [begin / spec.sample_rate_hz, end / spec.sample_rate_hz]),
    durationSeconds,
    silentSeconds: sound.silentSeconds(),
    silent,
    outline: outline.outline(),
    warnings,
    tookSeconds: (performance.now() - started) / 1000,
  };
}
