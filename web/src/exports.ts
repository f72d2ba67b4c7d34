/** Results as files: JSON and CSV with the fields of `earmark tag`, and a play list. */

import { type Card, isDegree } from "./card";
import { ranked } from "./scores";
import type { Key, Tempo } from "./tempo_key/result";
import type { Track } from "./track";

const places = (x: number, n: number): number => Number(x.toFixed(n));

/** One object per file, as `earmark tag --format jsonl` prints, and the taggram. */
export function toJson(tracks: readonly Track[], card: Card): string {
  const nTags = card.vocabulary.length;
  const degrees = isDegree(card);
  const records = tracks.filter(finished).map((track) => {
    const result = track.result;
    return {
      path: track.path,
      status: result ? "ok" : "error",
      error: track.error,
      duration_seconds: result ? places(result.durationSeconds, 3) : null,
      windows: result ? result.startsSeconds.length : null,
      heard_seconds: result ? places(result.durationSeconds, 3) : null,
      silent_seconds: result ? places(result.silentSeconds, 3) : null,
      model: card.name,
      abstained: result ? result.silent : null,
      tags:
        result && !result.silent
          ? ranked(result.scores, card).map((tag) => ({ ...tag, score: places(tag.score, 4) }))
          : [],
      degrees: Object.fromEntries(
        card.vocabulary.flatMap(({ name }, i) =>
          degrees[i] && result && !result.silent ? [[name, places(result.scores[i]!, 4)]] : [],
        ),
      ),
      warnings: result?.warnings ?? [],
      tempo: result?.tempo,
      key: result?.key,
      taggram: result
        ? {
            tags: card.vocabulary.map((tag) => tag.name),
            window_seconds: card.input.window_samples / card.input.sample_rate_hz,
            window_starts_seconds: result.startsSeconds.map((start) => places(start, 4)),
            scores: result.startsSeconds.map((_, i) =>
              Array.from(result.taggram.subarray(i * nTags, (i + 1) * nTags), (score) => places(score, 4)),
            ),
          }
        : null,
    };
  });
  return `${JSON.stringify(records, null, 1)}\n`;
}

const TEMPO_COLUMNS = ["bpm", "tempo_confidence"];
const KEY_COLUMNS = ["key", "camelot", "key_confidence", "tuning_hz"];

/**
 * One row per file, one column per tag, as `earmark tag --format csv` prints; with columns of tempo and key if they were
 * estimated of any file.
 */
export function toCsv(tracks: readonly Track[], card: Card): string {
  const names = card.vocabulary.map((tag) => tag.name);
  const done = tracks.filter(finished);
  const measures = done.some(({ result }) => result?.tempo) ? [...TEMPO_COLUMNS, ...KEY_COLUMNS] : [];
  const rows = [["path", "status", "error", "duration_seconds", "model", ...measures, ...names]];
  for (const { path, error, result } of done) {
    const head = result ? [path, "ok", "", result.durationSeconds.toFixed(3)] : [path, "error", error ?? "", ""];
    const { tempo, key } = result ?? {};
    const measured = tempo && key ? [...tempoCells(tempo), ...keyCells(key)] : measures.map(() => "");
    const scores = names.map((_, i) => result?.scores[i]?.toFixed(4) ?? "");
    rows.push([...head, card.name, ...measured, ...scores]);
  }
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

const tempoCells = ({ bpm, confidence }: Tempo): string[] => [bpm === null ? "" : decimal(bpm), decimal(confidence)];

const keyCells = ({ key, camelot, confidence, tuning_hz }: Key): string[] => [
  key ?? "",
  camelot ?? "",
  decimal(confidence),
  decimal(tuning_hz),
];

/** As Python prints it: 120.0. */
const decimal = (x: number): string => (Number.isInteger(x) ? x.toFixed(1) : String(x));

/** A playlist with the paths as they were dropped: to be put next to the folder. */
export function toM3u(tracks: readonly Track[]): string {
  const lines = ["#EXTM3U"];
  for (const { result, path, name } of tracks) {
    if (result) lines.push(`#EXTINF:${Math.round(result.durationSeconds)},${line(name)}`, line(path));
  }
  return `${lines.join("\n")}\n`;
}

function finished(track: Track): boolean {
  return track.result !== null || track.error !== null;
}

function cell(text: string): string {
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function line(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
}
