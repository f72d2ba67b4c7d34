/** Which files a person means who drops files or folders. */

import SUFFIXES from "./audio_suffixes.json";

export interface Found {
  file: File;
  /** Path within what was dropped, with forward slashes. */
  path: string;
}

export interface Gathered {
  found: Found[];
  /** Files in folders that are no audio by their ending. */
  skipped: number;
}

/** Is it audio by its ending? Asked of files in folders; those that are dropped themselves are always taken. */
export function isAudioName(name: string): boolean {
  const suffix = /\.[^.]+$/.exec(name)?.[0].toLowerCase();
  return suffix !== undefined && SUFFIXES.includes(suffix) && !name.startsWith("._");
}

/** From a file input; with a folder, paths begin with its name. */
export function fromInput(files: FileList): Gathered {
  const gathered: Gathered = { found: [], skipped: 0 };
  for (const file of files) {
    const path = file.webkitRelativePath || file.name;
    if (file.webkitRelativePath && !isAudioName(file.name)) gathered.skipped += 1;
    else gathered.found.push({ file, path });
  }
  return sorted(gathered);
}

/** From a drop. Must be called within the event: what was dropped is gone afterwards. */
export async function fromDrop(items: DataTransferItemList): Promise<Gathered> {
  const gathered: Gathered = { found: [], skipped: 0 };
  const dropped = [...items]
    .filter((item) => item.kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  for (const { entry, file } of dropped) {
    if (entry) await walk(entry, gathered, true);
    else if (file) gathered.found.push({ file, path: file.name });
  }
  return sorted(gathered);
}

async function walk(entry: FileSystemEntry, gathered: Gathered, dropped: boolean): Promise<void> {
  if (entry.isFile) {
    if (!dropped && !isAudioName(entry.name)) {
      gathered.skipped += 1;
      return;
    }
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    gathered.found.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (!some.length) return; // a reader gives a hundred at a time
    for (const child of some) await walk(child, gathered, false);
  }
}

function sorted(gathered: Gathered): Gathered {
  gathered.found.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
  return gathered;
}
