/** Files as demuxers of browsers need them. */

import { read, text } from "./bytes";
import { RIFX, withRightSizes } from "./chunks";
import { AudioError } from "./errors";
import { withWholeClusters } from "./matroska";
import { type OggFile, readOgg } from "./ogg";

/** What a demuxer reads instead of a file: with right sizes, without damaged pages, in its parts. Raises AudioError. */
export async function readable(file: Blob): Promise<{ parts: Blob[]; ogg: OggFile | null }> {
  if (file.size === 0) throw new AudioError("the file is empty (0 bytes)");
  if (text(await read(file, 0, 4), 0, 4) === "RIFX") throw new AudioError(RIFX);
  const ogg = await readOgg(file);
  return { parts: ogg?.links.length ? ogg.links : [await withWholeClusters(await withRightSizes(file))], ogg };
}
