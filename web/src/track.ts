/** One file on the page, from waiting to tagged. */

import type { Result } from "./messages";

export interface Track {
  id: number;
  /** Null where only the results are left, of an earlier visit. */
  file: File | null;
  path: string;
  name: string;
  state: "waiting" | "working" | "done" | "failed";
  /** Seconds processed so far, and the total. */
  progress: { seconds: number; ofSeconds: number | null };
  result: Result | null;
  error: string | null;
}

export function newTrack(id: number, file: File | null, path: string): Track {
  const name = path.split("/").at(-1) ?? path;
  const progress = { seconds: 0, ofSeconds: null };
  return { id, file, path, name, state: "waiting", progress, result: null, error: null };
}
