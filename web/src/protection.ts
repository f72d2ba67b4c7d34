/** Is a file encrypted (DRM)? As src/earmark/audio/protection.py. */

import { type Bytes, begins, fromHex, integer, read, text } from "./bytes";

export const PROTECTED = "protected (DRM): it is encrypted, and only its seller's programs can play it";

/** Sample entries of MP4: FairPlay, Common Encryption, Audible. */
const ENTRIES = ["drms", "drmi", "enca", "aavd"];
const MOST_BOXES = 10_000;
const ASF_HEADER = fromHex("3026b2758e66cf11a6d900aa0062ce6c");
/** Content encryption, and its extended and advanced kinds. */
const ASF_ENCRYPTION = [
  "fbb3112223bdd211b4b700a0c955fc6e",
  "14e68a292226174cb935dae07ee9289c",
  "338505438169e6499b74ad12cb86d58c",
].map(fromHex);
const MOST_ASF_HEADER_BYTES = 16 * 2 ** 20;

/** Does an MP4 file say that a track is encrypted? The track by its number in the file; null for any. */
export async function isProtectedMp4(file: Bytes, trackId: number | null): Promise<boolean> {
  for await (const [start, end] of boxes(file, 0, file.size, ["moov", "trak"])) {
    for await (const [head] of boxes(file, start, end, ["tkhd"])) {
      const content = await read(file, head, 24);
      const id = integer(content, content[0] === 1 ? 20 : 12, 4, false);
      if (trackId !== null && id !== trackId) continue;
      for await (const [entries] of boxes(file, start, end, ["mdia", "minf", "stbl", "stsd"])) {
        if (ENTRIES.includes(text(await read(file, entries + 12, 4), 0, 4))) return true;
      }
    }
  }
  return false;
}

/** Does a WMA file say that it is encrypted? */
export async function isProtectedAsf(file: Bytes): Promise<boolean> {
  const head = await read(file, 0, 24);
  if (!begins(head, ASF_HEADER)) return false;
  const objects = await read(file, 24, Math.min(integer(head, 16, 8, true), MOST_ASF_HEADER_BYTES));
  return ASF_ENCRYPTION.some((guid) => {
    for (let at = objects.indexOf(guid[0]!); at >= 0; at = objects.indexOf(guid[0]!, at + 1)) {
      if (begins(objects.subarray(at, at + 16), guid)) return true;
    }
    return false;
  });
}

/** Start and end of the content of the boxes at a path. */
async function* boxes(
  file: Bytes,
  first: number,
  end: number,
  [name, ...rest]: string[],
): AsyncGenerator<[start: number, end: number]> {
  let start = first;
  for (let n = 0; n < MOST_BOXES && start + 8 <= end; n++) {
    const head = await read(file, start, 16);
    let size = integer(head, 0, 4, false);
    let headBytes = 8;
    if (size === 1) {
      size = integer(head, 8, 8, false);
      headBytes = 16;
    } else if (size === 0) {
      size = end - start;
    }
    if (size < headBytes) return;
    if (text(head, 4, 4) === name) {
      const content = [start + headBytes, Math.min(end, start + size)] as const;
      if (rest.length) yield* boxes(file, ...content, rest);
      else yield [...content];
    }
    start += size;
  }
}
