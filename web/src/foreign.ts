/** Formats that `earmark tag` reads and this page does not: told from damaged files by their first bytes, or by their names. */

import FORMATS from "./audio_formats.json";
import { type Bytes, read, text } from "./bytes";
import { id3Size } from "./mp3";

/** What all messages about such files end with. */
export const ELSEWHERE = "that this page cannot read, but `earmark tag` can";

const MOST_MAGIC_BYTES = Math.max(...FORMATS.flatMap(({ magic }) => magic.map(({ length }) => length)));

/** Why a file that no demuxer knows cannot be read here; null where it is of no format that is known by its beginning or name. */
export async function foreign(file: Bytes, name: string): Promise<string | null> {
  const start = id3Size(await read(file, 0, 10)); // Monkey's Audio, Musepack and True Audio may begin with a tag
  const places = start ? [start, 0] : [0];
  for (const at of places) {
    const bytes = await read(file, at, MOST_MAGIC_BYTES);
    const found = FORMATS.find(({ magic }) => magic.some((pattern) => matches(bytes, pattern)));
    if (found) return `its format is ${found.name}, one ${ELSEWHERE}`;
  }
  const suffix = /\.[^.]+$/.exec(name)?.[0].toLowerCase() ?? "";
  const named = FORMATS.find(({ suffixes, read }) => !read && suffixes.includes(suffix));
  return named
    ? `by its name ${named.name}, a format ${ELSEWHERE}; its first bytes are of no format that is known here`
    : null;
}

/** `pattern`: Latin-1, with "?" for any byte. */
function matches(bytes: Uint8Array, pattern: string): boolean {
  const beginning = text(bytes, 0, pattern.length);
  return beginning.length === pattern.length && [...pattern].every((c, i) => c === "?" || c === beginning[i]);
}
