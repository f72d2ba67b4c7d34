/** The page: passes files to the engine, and results to the table, the detail view and the exports. */

import type { Card } from "./card";
import { clock } from "./clock";
import { Detail } from "./detail";
import { find, save, setText, shown } from "./dom";
import { Engine } from "./engine";
import { toCsv, toJson, toM3u } from "./exports";
import { type FileSelection, fromDrop, fromInput } from "./files";
import { MAX_RECORDING_SECONDS, Recording } from "./recorder";
import { Table } from "./table";
import { newTrack, type Track } from "./track";

const tracks: Track[] = [];
let table: Table | null = null;
let detail: Detail | null = null;
let model: Card | null = null;
let nextId = 1;
let drawing = false;

const root = document.documentElement;
const news = find("news");
const announce = (text: string): void => setText(news, text);

const engine = new Engine({
  ready(card, threads) {
    model = card;
    const version = card.version ? `, version ${card.version}` : "";
    find("about-model").textContent = [
      `Model “${card.name}”${version}: ${card.description}`,
      ...(card.limits ?? []),
    ].join(" ");
    find("threads").textContent = threads > 1 ? `It uses ${threads} threads.` : "";
    table = new Table(tracks, card, (track) => select(track, true));
    detail = new Detail(card);
    setText(find("state"), "Ready.");
    root.dataset.ready = "yes";
    root.dataset.threads = String(threads);
    if (tracks.length) redraw();
    void closeTheDoor();
  },
  notReady(reason) {
    setText(find("state"), "Could not be loaded.");
    root.dataset.ready = "no";
    announce(`The page could not be loaded: ${reason}. Reload it, or try a recent browser.`);
    news.classList.add("error");
  },
  changed(track) {
    if (!tracks.includes(track)) return;
    if (track.state === "working") table?.changed(track);
    else redraw();
    if (track.state === "done" && !detail?.shown) select(track, false);
    if (track.state === "done" || track.state === "failed") sumUp(track);
  },
});

/** Keeps the page for offline use; then blocks all further connections. */
async function closeTheDoor(): Promise<void> {
  let offline = false;
  if (self.isSecureContext && "serviceWorker" in navigator) {
    try {
      const registration = await navigator.serviceWorker.register("./sw.js");
      await new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (navigator.serviceWorker.controller) resolve();
          else if (registration.installing?.state === "redundant") reject(new Error("not kept"));
        };
        navigator.serviceWorker.addEventListener("controllerchange", look);
        registration.installing?.addEventListener("statechange", look);
        // A page that was reloaded past its service worker has none, though there is one.
        void navigator.serviceWorker.ready.then(() => setTimeout(resolve, 1000));
        look();
      });
      offline = true;
    } catch (error) {
      console.warn("not kept for offline use:", error);
    }
  }
  const meta = document.createElement("meta");
  meta.httpEquiv = "Content-Security-Policy";
  meta.content = "connect-src 'none'";
  document.head.append(meta);
  setText(find("state"), offline ? "Ready, also offline." : "Ready.");
  root.dataset.settled = offline ? "offline" : "online";
}

function add({ files, skipped }: FileSelection): void {
  const fresh = files.map(({ file, path }) => newTrack(nextId++, file, path));
  const left = skipped ? ` ${skipped} other ${skipped === 1 ? "file was" : "files were"} left out.` : "";
  if (!fresh.length) {
    announce(`No audio files found there.${left}`);
    return;
  }
  tracks.push(...fresh);
  announce(`${fresh.length} ${fresh.length === 1 ? "file" : "files"} added.${left}`);
  find("files").hidden = false;
  document.body.classList.add("busy-page");
  redraw();
  engine.add(fresh);
}

function redraw(): void {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => {
    drawing = false;
    table?.render();
    const left = tracks.filter(({ state }) => state === "waiting" || state === "working").length;
    const rows = find("rows");
    rows.setAttribute("aria-busy", String(left > 0));
    rows.dataset.finished = String(tracks.length - left);
    const none = !tracks.some((track) => track.result || track.error);
    for (const id of ["export-json", "export-csv", "export-m3u"]) find<HTMLButtonElement>(id).disabled = none;
  });
}

function select(track: Track, byPerson: boolean): void {
  if (!track.result || !detail || !table) return;
  detail.show(track);
  table.markSelected(track);
  if (byPerson) {
    find("detail-title").focus({ preventScroll: true });
    find("detail").scrollIntoView({ behavior: "smooth", block: "start" });
  }
}

function sumUp(track: Track): void {
  const done = tracks.filter(({ state }) => state === "done").length;
  const failed = tracks.filter(({ state }) => state === "failed").length;
  const left = tracks.length - done - failed;
  const counts = `${done} tagged${failed ? `, ${failed} failed` : ""}${left ? `, ${left} to go` : ""}.`;
  const last = track.error ? `${track.name}: ${track.error}. ` : "";
  announce(last + counts);
}

function listenForFiles(): void {
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

function listenForRecording(): void {
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

function listenForExports(): void {
  const out = (id: string, name: string, type: string, text: (shown: Track[], card: Card) => string): void => {
    find(id).addEventListener("click", () => {
      if (!table || !model) return;
      const list = table.shown();
      save(name, type, text(list, model));
      announce(`${name}: ${list.length} ${list.length === 1 ? "file" : "files"}.`);
    });
  };
  out("export-json", "earmark.json", "application/json", toJson);
  out("export-csv", "earmark.csv", "text/csv", toCsv);
  out("export-m3u", "earmark.m3u8", "audio/x-mpegurl", toM3u);
  find("clear").addEventListener("click", () => {
    engine.clear();
    tracks.length = 0;
    detail?.close();
    table?.clear();
    redraw();
    find("files").hidden = true;
    document.body.classList.remove("busy-page");
    announce("Cleared.");
    find("choose-files").focus();
  });
}

listenForFiles();
listenForRecording();
listenForExports();
find("at-least-text").textContent = shown(0);
