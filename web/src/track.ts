/** One file on the page, from waiting to tagged. */

import type { Result } from "./messages";

export interface Track {
  id: number;
  /** Null for none: only in tests. */
  file: Blob | null;
  path: string;
  name: string;
  state: "waiting" | "working" | "done" | "failed";
  /** Seconds processed so far, and the total. */
  progress: { seconds: number; ofSeconds: number | null };
  result: Result | null;
  error: string | null;
}

export function newTrack(id: number, file: Blob | null, path: string): Track {
  const name = path.split("/").at(-1) ?? path;
  const progress = { seconds: 0, ofSeconds: null };
  return { id, file, path, name, state: "waiting", progress, result: null, error: null };
}
