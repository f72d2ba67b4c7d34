/** The ways in which music comes to the page. */

import { clock } from "./clock";
import { find } from "./dom";
import { type FileSelection, fromDrop, fromInput } from "./files";
import { MAX_RECORDING_SECONDS, Recording } from "./recorder";

type Add = (selection: FileSelection) => void;
type Announce = (text: string) => void;

/** Files from the buttons, and whatever is dropped on the page. */
export function listenForFiles(add: Add, announce: Announce): void {
  const filesInput = find<HTMLInputElement>("files-input");
  const folderInput = find<HTMLInputElement>("folder-input");
  for (const [button, input] of [
    ["choose-files", filesInput],
    ["choose-folder", folderInput],
  ] as const) {
    find(button).addEventListener("click", () => input.click());
    input.addEventListener("change", () => {
      if (input.files?.length) add(fromInput(input.files));
      input.value = "";
    });
  }
  if (!("webkitdirectory" in filesInput)) find("choose-folder").hidden = true;
  let depth = 0; // enter and leave come for every element that is passed
  const over = (by: number): void => {
    depth = Math.max(0, depth + by);
    document.body.classList.toggle("dragging", depth > 0);
  };
  document.addEventListener("dragenter", (event) => {
    event.preventDefault();
    over(1);
  });
  document.addEventListener("dragleave", () => over(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    over(0);
    if (!event.dataTransfer?.items.length) return;
    fromDrop(event.dataTransfer.items).then(add, (error: unknown) =>
      announce(`The dropped items cannot be read: ${error}`),
    );
  });
}

/** Recordings from the microphone. */
export function listenForRecording(add: Add, announce: Announce): void {
  const button = find<HTMLButtonElement>("record");
  const text = find("record-text");
  const level = find("level");
  let recording: Recording | null = null;
  const stop = async (): Promise<void> => {
    const ending = recording;
    recording = null;
    button.setAttribute("aria-pressed", "false");
    text.textContent = "Record";
    level.hidden = true;
    if (!ending) return;
    const file = await ending.stop();
    add({ files: [{ file, path: file.name }], skipped: 0 });
  };
  button.addEventListener("click", async () => {
    if (recording) return stop();
    button.disabled = true;
    try {
      recording = await Recording.start((seconds, peak) => {
        if (!recording) return;
        text.textContent = `Stop (${clock(Math.floor(seconds))})`;
        const percent = Math.round(100 * Math.max(0, 1 + Math.log10(Math.max(peak, 1e-6)) / 2.5)); // -50 dB is nothing
        level.setAttribute("aria-valuenow", String(percent));
        (level.firstElementChild as HTMLElement).style.inlineSize = `${percent}%`;
        if (seconds >= MAX_RECORDING_SECONDS) void stop();
      });
      button.setAttribute("aria-pressed", "true");
      text.textContent = "Stop (0:00)";
      level.hidden = false;
      announce("Recording. Press Stop when you have enough.");
    } catch (error) {
      announce(`No recording: ${error instanceof Error ? error.message : error}.`);
    } finally {
      button.disabled = false;
    }
  });
}
