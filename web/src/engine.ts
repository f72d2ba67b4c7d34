/** The page's side of the worker: files in, results out, in order, one at a time. */

import type { Card } from "./card";
import { decodeWhole } from "./fallback";
import type { FromWorker, Retry, ToWorker } from "./messages";
import type { Track } from "./track";

export interface EngineEvents {
  ready(card: Card, threads: number, hasTempoKey: boolean): void;
  notReady(reason: string): void;
  /** Something about this track changed. */
  changed(track: Track): void;
}

export class Engine {
  /** Whether tempo and key are to be estimated of files that are tagged from now on. */
  tempoKey = true;
  private readonly worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  private readonly waiting: Track[] = [];
  private current: Track | null = null;
  private card: Card | null = null; // once the worker is ready

  constructor(private readonly events: EngineEvents) {
    this.worker.onmessage = ({ data }: MessageEvent<FromWorker>) => this.onMessage(data);
    this.worker.onerror = (event) => {
      event.preventDefault();
      if (!this.card) this.events.notReady(event.message || "the worker does not start");
      else this.fail(`this file stopped the page's worker (${event.message})`);
    };
    const cores = navigator.hardwareConcurrency || 1;
    this.post({ type: "load", threads: self.crossOriginIsolated ? Math.min(4, cores) : 1, webCodecs: true });
  }

  add(tracks: Track[]): void {
    this.waiting.push(...tracks);
    this.next();
  }

  /** Forgets everything that waits or is under way. */
  clear(): void {
    this.waiting.length = 0;
    if (this.current) this.post({ type: "cancel", id: this.current.id });
    this.current = null;
  }

  private post(message: ToWorker, transfer: Transferable[] = []): void {
    this.worker.postMessage(message, transfer);
  }

  private next(): void {
    if (!this.card || this.current) return;
    const track = this.waiting.shift();
    if (!track?.file) return;
    this.current = track;
    track.state = "working";
    this.events.changed(track);
    this.post({ type: "tag", id: track.id, file: track.file, tempoKey: this.tempoKey });
  }

  private onMessage(message: FromWorker): void {
    if (message.type === "ready") {
      this.card = message.card;
      this.events.ready(message.card, message.threads, message.hasTempoKey);
      this.next();
      return;
    }
    if (message.type === "not-ready") {
      this.events.notReady(message.reason);
      return;
    }
    const track = this.current;
    if (!track || track.id !== message.id) return; // it was cleared meanwhile
    if (message.type === "progress") {
      track.progress = { seconds: message.seconds, ofSeconds: message.ofSeconds };
      this.events.changed(track);
    } else if (message.type === "failed") {
      if (message.retry) void this.tryWhole(track, message.reason, message.retry);
      else this.fail(message.reason);
    } else {
      track.state = "done";
      track.result = message.result;
      this.finish(track);
    }
  }

  /** What the worker cannot decode, the page may. */
  private async tryWhole(track: Track, why: string, { facts, sampleRateHz, saysWhy }: Retry): Promise<void> {
    try {
      const pcm = await decodeWhole(track.file!, sampleRateHz, this.card?.input.conditioning ?? null, facts);
      if (this.current === track) {
        this.post({ type: "tag-pcm", id: track.id, pcm, tempoKey: this.tempoKey }, [pcm.mono.buffer]);
      }
    } catch (error) {
      const whole = error instanceof Error ? error.message : String(error);
      if (this.current === track) this.fail(saysWhy ? why : whole);
    }
  }

  private fail(reason: string): void {
    const track = this.current;
    if (!track) return;
    track.state = "failed";
    track.error = reason;
    this.finish(track);
  }

  private finish(track: Track): void {
    this.current = null;
    this.events.changed(track);
    this.next();
  }
}
