/** Formats that `earmark tag` reads and this page does not: distinguished from damaged files by their first bytes, or by their names. */

import FORMATS from "./audio_formats.json";
import { type Bytes, read, text } from "./bytes";
import { id3Size } from "./mp3";

/** What all messages about such files end with. */
export const ELSEWHERE = "that this page cannot read, but `earmark tag` can";

const MOST_MAGIC_BYTES = Math.max(...FORMATS.flatMap(({ magic }) => magic.map(({ length }) => length)));

/** Why a file cannot be read here, by its first bytes; null where they are of no such format. */
export async function foreignByContent(file: Bytes): Promise<string | null> {
  const start = id3Size(await read(file, 0, 10)); // Monkey's Audio, Musepack and True Audio may begin with a tag
  const bytes = await read(file, start, MOST_MAGIC_BYTES);
  const found = FORMATS.find(({ magic }) => magic.some((pattern) => matches(bytes, pattern)));
  return found ? `its format is ${found.name}, one ${ELSEWHERE}` : null;
}

/** Why a file that begins like none of all formats may not be read here, by its name; null where the name says nothing of the kind. */
export function foreignByName(name: string): string | null {
  const suffix = /\.[^.]+$/.exec(name)?.[0].toLowerCase() ?? "";
  const named = FORMATS.find(({ suffixes, read }) => !read && suffixes.includes(suffix));
  return named ? `by its name ${named.name}, a format ${ELSEWHERE}; or it is damaged, since it begins otherwise` : null;
}

/** `pattern`: Latin-1, with "?" for any byte. */
function matches(bytes: Uint8Array, pattern: string): boolean {
  const beginning = text(bytes, 0, pattern.length);
  return beginning.length === pattern.length && [...pattern].every((c, i) => c === "?" || c === beginning[i]);
}
