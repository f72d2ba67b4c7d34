/** Decodes, resamples, cuts and scores, away from the page, so that it stays responsive. One file at a time. */

import * as ort from "onnxruntime-web/wasm";
import cardText from "../generated/card.json?raw";
import modelUrl from "../generated/model.bin?url";
import ortUrl from "../generated/ort.bin?url";
import ortScriptUrl from "../generated/ort.mjs?url";
import type { Card } from "./card";
import { clock } from "./clock";
import { AudioError, NotThisWay, open, reason } from "./decode";
import type { FromWorker, Pcm, Result, ToWorker } from "./messages";
import { OutlineMaker } from "./peaks";
import { Resampler } from "./resample";
import { aggregate, calibrated } from "./scores";
import { SilenceMeter } from "./silence";
import { WindowCutter, windowStarts } from "./windows";

const BATCH_WINDOWS = 4;
const SILENCE_PEAK = 1e-4; // as in src/earmark/audio/decoder.py
const SILENT = "silent: no sample above -80 dBFS once mixed to mono, so the tags mean nothing";
const SHORT_SECONDS = 0.5; // less than promised, and a file is said to be cut short

const card = JSON.parse(cardText) as Card;
const spec = card.input;
const post = (message: FromWorker, transfer: Transferable[] = []): void =>
  (self as unknown as Worker).postMessage(message, transfer);

let session: ort.InferenceSession;
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
    const [wasm, model] = await Promise.all([unpacked(ortUrl), unpacked(modelUrl)]);
    ort.env.wasm.wasmBinary = wasm;
    ort.env.wasm.wasmPaths = { mjs: new URL(ortScriptUrl, self.location.href).href };
    ort.env.wasm.numThreads = threads;
    ort.env.logLevel = "error";
    session = await ort.InferenceSession.create(new Uint8Array(model), { graphOptimizationLevel: "all" });
    await score([new Float32Array(spec.window_samples)]); // the first run compiles and is slow
    disableNetwork();
    post({ type: "ready", card, threads });
  } catch (error) {
    post({ type: "not-ready", reason: reason(error) });
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
  let promisedSeconds: number | null = null;
  try {
    if (cancelled.has(id)) return;
    const source = data.type === "tag" ? await fromFile(data.file) : fromPcm(data.pcm);
    promisedSeconds = source.promisedSeconds;
    const result = await tagSource(id, source);
    if (result === null) return;
    const { taggram, scores, outline } = result;
    post({ type: "done", id, result }, [
      taggram.buffer as ArrayBuffer,
      scores.buffer as ArrayBuffer,
      outline.lows.buffer as ArrayBuffer,
      outline.highs.buffer as ArrayBuffer,
    ]);
  } catch (error) {
    const retry = error instanceof NotThisWay ? { promisedSeconds, sampleRateHz: error.sampleRateHz } : null;
    post({ type: "failed", id, reason: reason(error), retry });
  } finally {
    cancelled.delete(id);
  }
}

interface Source {
  sampleRateHz: number;
  promisedSeconds: number | null;
  blocks: AsyncIterable<Float32Array> | Iterable<Float32Array>;
  /** Of its channels; complete after the last block. */
  warnings(): string[];
}

async function fromFile(file: Blob): Promise<Source> {
  if (file.size === 0) throw new AudioError("the file is empty (0 bytes)");
  const { mixer, ...source } = await open(file, spec.conditioning ?? null, useWebCodecs);
  return { ...source, warnings: () => mixer.warnings() };
}

function fromPcm({ mono, sampleRateHz, promisedSeconds, warnings }: Pcm): Source {
  function* blocks(): Generator<Float32Array> {
    for (let at = 0; at < mono.length; at += 32_768) yield mono.subarray(at, at + 32_768);
  }
  return {
    sampleRateHz,
    promisedSeconds: promisedSeconds ?? mono.length / sampleRateHz,
    blocks: blocks(),
    warnings: () => warnings,
  };
}

/** From samples to scores; null if the page has cancelled the file. */
async function tagSource(id: number, source: Source): Promise<Result | null> {
  const started = performance.now();
  const resampler = new Resampler(source.sampleRateHz, spec.sample_rate_hz);
  const cutter = new WindowCutter(spec);
  const meter = new SilenceMeter(spec);
  const outline = new OutlineMaker();
  const batches: Float32Array[] = [];
  let waiting: Float32Array[] = [];
  let nIn = 0;
  let peak = 0;
  let reportedAt = started;

  const take = async (block: Float32Array, last: boolean): Promise<void> => {
    outline.push(block);
    meter.add(block);
    waiting.push(...cutter.push(block), ...(last ? cutter.finish() : []));
    while (waiting.length >= BATCH_WINDOWS || (last && waiting.length)) {
      batches.push(await score(waiting.slice(0, BATCH_WINDOWS)));
      waiting = waiting.slice(BATCH_WINDOWS);
    }
  };

  for await (const block of source.blocks) {
    if (cancelled.has(id)) return null;
    for (const sample of block) {
      const size = sample < 0 ? -sample : sample;
      if (!(size <= peak)) {
        if (!Number.isFinite(size)) throw new AudioError("holds NaN or infinite samples");
        peak = size;
      }
    }
    nIn += block.length;
    await take(resampler.push(block), false);
    if (performance.now() - reportedAt > 100) {
      reportedAt = performance.now();
      post({ type: "progress", id, seconds: nIn / source.sampleRateHz, ofSeconds: source.promisedSeconds });
      await new Promise((resolve) => setTimeout(resolve)); // lets a "cancel" in
    }
  }
  if (nIn === 0) throw new NotThisWay("holds no audio samples");
  await take(resampler.finish(), true);
  if (cutter.nSamples === 0) throw new AudioError("holds no audio samples");

  const nTags = card.vocabulary.length;
  const taggram = new Float32Array(batches.reduce((n, batch) => n + batch.length, 0));
  let at = 0;
  for (const batch of batches) {
    taggram.set(batch, at);
    at += batch.length;
  }
  const durationSeconds = nIn / source.sampleRateHz;
  const warnings: string[] = [];
  if (source.promisedSeconds !== null && source.promisedSeconds - durationSeconds > SHORT_SECONDS) {
    warnings.push(`cut short: it promises ${clock(source.promisedSeconds)}, and holds ${clock(durationSeconds)}`);
  }
  if (!spec.conditioning && peak < SILENCE_PEAK) warnings.push(SILENT);
  warnings.push(...source.warnings(), ...meter.warnings());
  const starts = windowStarts(cutter.nSamples, spec);
  const weights = meter.weights(starts);
  const silent = weights?.every((weight) => weight === 0) ?? false;
  const windowScores = calibrated(taggram, card);
  weights?.forEach((weight, i) => {
    if (weight === 0) windowScores.fill(0, i * nTags, (i + 1) * nTags);
  });
  return {
    taggram: windowScores,
    scores: silent ? new Float32Array(nTags) : calibrated(aggregate(taggram, nTags, weights), card),
    startsSeconds: starts.map((start) => Math.max(0, start) / spec.sample_rate_hz),
    durationSeconds,
    silentSeconds: meter.silentSeconds(),
    silent,
    outline: outline.outline(),
    warnings,
    tookSeconds: (performance.now() - started) / 1000,
  };
}
