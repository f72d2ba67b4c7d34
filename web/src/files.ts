/** The audio files in what the user drops or selects. */

import FORMATS from "./audio_formats.json";

const SUFFIXES = FORMATS.flatMap(({ suffixes }) => suffixes);

export interface SelectedFile {
  file: File;
  /** Path relative to what was dropped, with forward slashes. */
  path: string;
}

export interface FileSelection {
  files: SelectedFile[];
  /** Files in folders without an audio suffix. */
  skipped: number;
}

/** Has it an audio suffix? Checked for files in folders; files that are dropped themselves are always accepted. */
export function isAudioName(name: string): boolean {
  const suffix = /\.[^.]+$/.exec(name)?.[0].toLowerCase();
  return suffix !== undefined && SUFFIXES.includes(suffix) && !name.startsWith("._");
}

/** From a file input; with a folder, paths begin with its name. */
export function fromInput(files: FileList): FileSelection {
  const selection: FileSelection = { files: [], skipped: 0 };
  for (const file of files) {
    const path = file.webkitRelativePath || file.name;
    if (file.webkitRelativePath && !isAudioName(file.name)) selection.skipped += 1;
    else selection.files.push({ file, path });
  }
  return sorted(selection);
}

/** From a drop. Must be called within the event: what was dropped is gone afterwards. */
export async function fromDrop(items: DataTransferItemList): Promise<FileSelection> {
  const selection: FileSelection = { files: [], skipped: 0 };
  const dropped = [...items]
    .filter((item) => item.kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }));
  for (const { entry, file } of dropped) {
    if (entry) await walk(entry, selection, true);
    else if (file) selection.files.push({ file, path: file.name });
  }
  return sorted(selection);
}

async function walk(entry: FileSystemEntry, selection: FileSelection, dropped: boolean): Promise<void> {
  if (entry.isFile) {
    if (!dropped && !isAudioName(entry.name)) {
      selection.skipped += 1;
      return;
    }
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    selection.files.push({ file, path: entry.fullPath.replace(/^\//, "") });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (!some.length) return; // a reader returns a hundred at a time
    for (const child of some) await walk(child, selection, false);
  }
}

function sorted(selection: FileSelection): FileSelection {
  selection.files.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
  return selection;
}
