/**
 * Results that survive a reload: in the browser's IndexedDB, on this machine only, and never the audio. Tabs of the page share
 * them. Without a database (some private windows, blocked storage) or where it is full the page works on, and says so.
 */

import { type DBSchema, type IDBPDatabase, openDB } from "idb";
import { reason } from "./errors";
import type { Result } from "./messages";
import { fileKey, type Track } from "./track";

/** What is kept of one file. */
export interface KeptTrack {
  /** See `fileKey`. */
  key: string;
  path: string;
  size: number;
  /** In milliseconds since 1970, as of files; of when the result came. */
  modified: number;
  added: number;
  model: string;
  version: string;
  /** Of the networks and the card; see scripts/prepare.mjs. */
  fingerprint: string;
  result: Result | null;
  error: string | null;
}

interface Schema extends DBSchema {
  tracks: { key: string; value: KeptTrack };
}

type News = { type: "added"; key: string } | { type: "cleared" };

export interface KeptEvents {
  /** Another tab has tagged a file. */
  added(track: KeptTrack): void;
  /** Another tab has removed all. */
  cleared(): void;
  /** Results are not kept. */
  failed(why: string): void;
}

/** One folder of a server, one database: another folder may have a page with another model. */
const NAME = `earmark ${new URL(".", location.href).pathname}`;

export class Kept {
  private readonly tabs = typeof BroadcastChannel === "undefined" ? null : new BroadcastChannel(NAME);
  private db: IDBPDatabase<Schema> | null = null;
  private failed = false;

  private constructor(private readonly events: KeptEvents) {
    this.tabs?.addEventListener("message", ({ data }: MessageEvent<News>) => void this.follow(data));
  }

  static async open(events: KeptEvents): Promise<Kept> {
    const kept = new Kept(events);
    try {
      kept.db = await openDB<Schema>(NAME, 1, {
        upgrade: (fresh) => void fresh.createObjectStore("tracks", { keyPath: "key" }),
        // A later version of the page wants to change it, or a person removes the page's data.
        blocking: (_current, _blocked, event) => (event.target as IDBDatabase).close(),
        terminated: () => kept.fail("the browser has closed its storage"),
      });
    } catch (error) {
      kept.fail(`this browser gives no storage here (${reason(error)})`);
    }
    return kept;
  }

  /** All that is kept, in the order in which it came. */
  async all(): Promise<KeptTrack[]> {
    const tracks = (await this.attempt((db) => db.getAll("tracks"))) ?? [];
    return tracks.sort((a, b) => a.added - b.added);
  }

  /** Keeps the result of a file that is tagged, or has failed. */
  async add(track: Track, model: Pick<KeptTrack, "model" | "version" | "fingerprint">): Promise<void> {
    const { path, size, modified, result, error } = track;
    const key = fileKey(track);
    const entry = { key, path, size, modified, added: Date.now(), ...model, result, error };
    if (await this.attempt((db) => db.put("tracks", entry)))
      this.tabs?.postMessage({ type: "added", key } satisfies News);
  }

  async remove(keys: readonly string[]): Promise<void> {
    await this.attempt((db) => Promise.all(keys.map((key) => db.delete("tracks", key))));
  }

  /** Removes all; false if that fails. */
  async clear(): Promise<boolean> {
    if (!this.db) return true;
    this.failed = false; // there is space again
    const done = await this.attempt((db) => db.clear("tracks").then(() => true));
    this.tabs?.postMessage({ type: "cleared" } satisfies News);
    return done ?? false;
  }

  private async follow(news: News): Promise<void> {
    if (news.type === "cleared") return this.events.cleared();
    const track = await this.attempt((db) => db.get("tracks", news.key));
    if (track) this.events.added(track);
  }

  private async attempt<T>(action: (db: IDBPDatabase<Schema>) => Promise<T>): Promise<T | undefined> {
    if (!this.db) return undefined;
    try {
      return await action(this.db);
    } catch (error) {
      const full = error instanceof DOMException && error.name === "QuotaExceededError";
      this.fail(full ? "the browser's storage is full" : reason(error));
      return undefined;
    }
  }

  /** Says so once. */
  private fail(why: string): void {
    if (!this.failed) this.events.failed(why);
    this.failed = true;
  }
}
