/** One file on the page, from waiting to tagged. */

import type { Result } from "./messages";

export interface Track {
  id: number;
  /** Null where only the results are left, of an earlier visit. */
  file: File | null;
  path: string;
  name: string;
  /** In bytes, and in milliseconds since 1970. */
  size: number;
  modified: number;
  state: "waiting" | "working" | "done" | "failed";
  /** Seconds processed so far, and the total. */
  progress: { seconds: number; ofSeconds: number | null };
  result: Result | null;
  error: string | null;
}

type Known = Pick<Track, "path" | "size" | "modified">;

export function newTrack(id: number, file: File | null, path: string, known?: Known): Track {
  const name = path.split("/").at(-1) ?? path;
  const { size, modified } = known ?? { size: file?.size ?? 0, modified: file?.lastModified ?? 0 };
  const progress = { seconds: 0, ofSeconds: null };
  return { id, file, path, name, size, modified, state: "waiting", progress, result: null, error: null };
}

/** Equal for the same file: by its path as it was dropped, its size, and when it was changed. */
export function fileKey({ path, size, modified }: Known): string {
  return JSON.stringify([path, size, modified]);
}
