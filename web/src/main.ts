/** The page: passes files to the engine, and results to the table, the detail view and the exports. */

import type { Card } from "./card";
import { Detail } from "./detail";
import { find, make, save, setText, shown } from "./dom";
import { Engine } from "./engine";
import { toCsv, toJson, toM3u } from "./exports";
import type { FileSelection } from "./files";
import { listenForFiles, listenForRecording } from "./inputs";
import { Kept, type KeptTrack } from "./kept";
import { remember, remembered } from "./settings";
import { Table } from "./table";
import { fileKey, newTrack, type Track } from "./track";

const tracks: Track[] = [];
let table: Table | null = null;
let detail: Detail | null = null;
let model: Card | null = null;
let kept: Kept | null = null;
let nextId = 1;
let drawing = false;

const root = document.documentElement;
const news = find("news");
const announce = (text: string): void => setText(news, text);

const measure = find<HTMLInputElement>("measure");

const engine = new Engine({
  ready(card, threads, hasTempoKey) {
    model = card;
    if (!hasTempoKey) {
      measure.checked = engine.tempoKey = false;
      measure.disabled = true;
      setText(find("measure-text"), "Tempo and key: not in this copy of the page");
    }
    describe(card);
    find("threads").textContent = threads > 1 ? `It uses ${threads} threads.` : "";
    table = new Table(tracks, card, (track) => select(track, true));
    detail = new Detail(card);
    setText(find("state"), "Ready.");
    root.dataset.ready = "yes";
    root.dataset.threads = String(threads);
    if (tracks.length) redraw();
    void restore().then(closeTheDoor);
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
    if (track.state === "done" || track.state === "failed") {
      void kept?.add(track, stamp());
      sumUp(track);
    }
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

/** What the model is: folded away, since it is long. */
function describe(card: Card): void {
  const version = card.version ? `, version ${card.version}` : "";
  setText(find("model-name"), `About the model: ${card.name}${version}`);
  const list = (title: string, items: readonly string[] = []): HTMLElement[] =>
    items.length ? [make("h3", {}, title), make("ul", {}, ...items.map((item) => make("li", {}, item)))] : [];
  find("about-model").replaceChildren(
    make("p", {}, card.description),
    ...(card.licence ? [make("p", {}, `Licence: ${card.licence}.`)] : []),
    ...list("Limits", card.limits),
    ...list("Sources", card.citations),
  );
  find("model").hidden = false;
}

/** By what kept results know their model. */
function stamp(): Pick<KeptTrack, "model" | "version" | "fingerprint"> {
  return { model: model!.name, version: model!.version ?? "", fingerprint: model!.fingerprint ?? "" };
}

/** Puts the results of earlier visits, and of other tabs, into the table. Those of other models are removed. */
async function restore(): Promise<void> {
  kept = await Kept.open({
    added(entry) {
      if (entry.fingerprint === stamp().fingerprint && recall([entry])) redraw();
    },
    cleared() {
      forget(({ state }) => state === "done" || state === "failed");
      announce("Cleared in another tab.");
    },
    failed(why) {
      setText(find("kept"), `Results do not outlast this visit: ${why}.`);
    },
  });
  const entries = await kept.all();
  const others = entries.filter(({ fingerprint }) => fingerprint !== stamp().fingerprint);
  await kept.remove(others.map(({ key }) => key));
  const n = recall(entries.filter((entry) => !others.includes(entry)));
  const names = [...new Set(others.map((other) => `${other.model} ${other.version}`.trim()))].join(", ");
  const removed = others.length
    ? `${count(others.length)} removed: by another model (${names}). Add the files again.`
    : "";
  if (n || removed) announce([n ? `${count(n)} of earlier visits.` : "", removed].filter(Boolean).join(" "));
  const first = tracks.find(({ state }) => state === "done");
  if (first && !detail?.shown) select(first, false);
}

const count = (n: number): string => `${n} ${n === 1 ? "result" : "results"}`;

/** Results that were kept, into the table; returns how many were not there. */
function recall(entries: readonly KeptTrack[]): number {
  const known = new Set(tracks.map(fileKey));
  const fresh = entries.filter(({ key }) => !known.has(key));
  for (const entry of fresh) {
    const state = entry.result ? "done" : "failed";
    tracks.push({ ...newTrack(nextId++, null, entry.path, entry), state, result: entry.result, error: entry.error });
  }
  if (fresh.length) show();
  return fresh.length;
}

function show(): void {
  find("files").hidden = false;
  document.body.classList.add("busy-page");
  redraw();
}

/** Removes such files from the table. */
function forget(which: (track: Track) => boolean): void {
  const left = tracks.filter((track) => !which(track));
  tracks.splice(0, tracks.length, ...left);
  if (detail?.shown && !left.includes(detail.shown)) detail.close();
  if (!left.length) {
    table?.clear();
    find("files").hidden = true;
    document.body.classList.remove("busy-page");
  }
  redraw();
}

/** Files that are in the table already are not tagged again, but for those that failed or lack a tempo and key that is wanted. */
function add({ files, skipped }: FileSelection): void {
  const known = new Map(tracks.map((track) => [fileKey(track), track]));
  const fresh: Track[] = [];
  let nKnown = 0;
  for (const { file, path } of files) {
    const track = newTrack(nextId++, file, path);
    const old = known.get(fileKey(track));
    if (!old) {
      known.set(fileKey(track), track);
      tracks.push(track);
      fresh.push(track);
      continue;
    }
    const isIncomplete = old.state === "done" && engine.tempoKey && !old.result?.tempo;
    const again = old.state === "failed" || isIncomplete;
    if (again && detail?.shown === old) detail.close();
    if (again) Object.assign(old, { file, state: "waiting", error: null, result: null });
    if (again) fresh.push(old);
    else nKnown += 1;
    if (old.state !== "done" || old.file) continue;
    old.file = file; // so that it can be played
    if (detail?.shown === old) select(old, false);
  }
  const left = skipped ? ` ${skipped} other ${skipped === 1 ? "file was" : "files were"} left out.` : "";
  const there = nKnown ? ` ${nKnown} ${nKnown === 1 ? "is" : "are"} in the table already.` : "";
  if (!files.length) {
    announce(`No audio files found there.${left}`);
    return;
  }
  announce(`${fresh.length} ${fresh.length === 1 ? "file" : "files"} added.${there}${left}`);
  show();
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
    forget(() => true);
    announce("Cleared.");
    void kept?.clear().then((done) => {
      if (!done) announce("Cleared here, but this browser could not remove the results that it keeps. Try again.");
    });
    find("choose-files").focus();
  });
}

/** Whether tempo and key are wanted, as it was at the last visit. */
function listenForMeasures(): void {
  measure.checked = engine.tempoKey = remembered("tempo and key") !== "no";
  measure.addEventListener("change", () => {
    engine.tempoKey = measure.checked;
    remember("tempo and key", measure.checked ? "yes" : "no");
    announce(`Files that are added from now on ${measure.checked ? "get" : "get no"} tempo and key.`);
  });
}

listenForMeasures();
listenForFiles(add, announce);
listenForRecording(add, announce);
listenForExports();
find("at-least-text").textContent = shown(0);
