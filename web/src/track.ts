/** One file on the page, from waiting to tagged. */

import type { Heard } from "./messages";

export interface Track {
  id: number;
  /** Null for none: only in tests. */
  file: Blob | null;
  path: string;
  name: string;
  state: "waiting" | "working" | "done" | "failed";
  /** Seconds heard so far, of how many. */
  progress: { seconds: number; ofSeconds: number | null };
  heard: Heard | null;
  error: string | null;
}

export function newTrack(id: number, file: Blob | null, path: string): Track {
  const name = path.split("/").at(-1) ?? path;
  const progress = { seconds: 0, ofSeconds: null };
  return { id, file, path, name, state: "waiting", progress, heard: null, error: null };
}
