/** Finds tags by what people type: any spelling, and other words. As src/earmark/core/tag_words.py, which has the table. */

import TABLE from "./tag_words.json";

const MUSIC = "music";

/** Tags without their category: MTG-Jamendo calls jazz "genre---jazz". */
const shortName = (tag: string): string => tag.split("---").at(-1) || tag;

/** Equal for spellings of one name: case, spaces and punctuation do not count, "&" is "and". */
export function looseKey(text: string): string {
  const folded = text.normalize("NFC").toLowerCase().replaceAll("&", "and");
  return folded.replace(/[^\p{L}\p{N}]/gu, "") || folded;
}

/** A key, in the singular and the plural, with and without "music". */
function forms(key: string): string[] {
  const bare = (key.endsWith(MUSIC) && key.slice(0, -MUSIC.length)) || key;
  return [key, bare, `${bare}s`, bare.replace(/s$/, ""), bare + MUSIC].filter(Boolean);
}

export class TagFinder {
  private readonly byKey = new Map<string, string[]>();
  private readonly rowsByKey = new Map<string, string[][]>();

  constructor(names: readonly string[]) {
    for (const name of names) add(this.byKey, looseKey(shortName(name)), name);
    for (const row of TABLE) add(this.rowsByKey, looseKey(row[0]!), row);
    for (const row of TABLE) for (const word of row.slice(1)) add(this.rowsByKey, looseKey(word), row);
  }

  /** Tags of that name, in any spelling. */
  spelled(word: string): string[] {
    return this.byKey.get(looseKey(word)) ?? [];
  }

  /** Tags that a word may stand for, the nearest first. */
  meant(word: string): string[] {
    const keys = forms(looseKey(word));
    const rows = keys.flatMap((key) => this.rowsByKey.get(key) ?? []);
    const found = [...keys, ...rows.flat().map(looseKey)].flatMap((key) => this.byKey.get(key) ?? []);
    return [...new Set(found)];
  }

  /** The words of the table that are no tags and stand for one, each with that tag. */
  words(): Map<string, string> {
    const words = new Map<string, string>();
    for (const word of TABLE.flat()) {
      const [tag] = this.meant(word);
      if (tag !== undefined && !this.spelled(word).length) words.set(word, tag);
    }
    return words;
  }
}

function add<T>(groups: Map<string, T[]>, key: string, item: T): void {
  const group = groups.get(key);
  if (group) group.push(item);
  else groups.set(key, [item]);
}
