/** Results as files: JSON and CSV with the fields of `earmark tag`, and a play list. */

import type { Card } from "./card";
import { ranked } from "./scores";
import type { Track } from "./track";

const places = (x: number, n: number): number => Number(x.toFixed(n));

/** One object a file, as `earmark tag --format jsonl` prints, and the taggram. */
export function toJson(tracks: readonly Track[], card: Card): string {
  const nTags = card.vocabulary.length;
  const records = tracks.filter(finished).map((track) => {
    const heard = track.heard;
    return {
      path: track.path,
      status: heard ? "ok" : "error",
      error: track.error,
      duration_seconds: heard ? places(heard.durationSeconds, 3) : null,
      windows: heard ? heard.startsSeconds.length : null,
      heard_seconds: heard ? places(heard.durationSeconds, 3) : null,
      model: card.name,
      abstained: heard ? false : null,
      tags: heard ? ranked(heard.scores, card).map((tag) => ({ ...tag, score: places(tag.score, 4) })) : [],
      warnings: heard?.warnings ?? [],
      taggram: heard
        ? {
            tags: card.vocabulary.map((tag) => tag.name),
            window_seconds: card.input.window_samples / card.input.sample_rate_hz,
            window_starts_seconds: heard.startsSeconds.map((start) => places(start, 4)),
            scores: heard.startsSeconds.map((_, i) =>
              Array.from(heard.taggram.subarray(i * nTags, (i + 1) * nTags), (score) => places(score, 4)),
            ),
          }
        : null,
    };
  });
  return `${JSON.stringify(records, null, 1)}\n`;
}

/** A row a file, a column a tag, as `earmark tag --format csv` prints. */
export function toCsv(tracks: readonly Track[], card: Card): string {
  const names = card.vocabulary.map((tag) => tag.name);
  const rows: (string | number)[][] = [["path", "status", "error", "duration_seconds", "model", ...names]];
  for (const track of tracks.filter(finished)) {
    const { heard } = track;
    if (heard) {
      const scores = Array.from(heard.scores, (score) => score.toFixed(4));
      rows.push([track.path, "ok", "", heard.durationSeconds.toFixed(3), card.name, ...scores]);
    } else {
      rows.push([track.path, "error", track.error ?? "", "", card.name, ...names.map(() => "")]);
    }
  }
  return rows.map((row) => `${row.map(cell).join(",")}\n`).join("");
}

/** A play list with the paths as they were dropped: to be put beside the folder. */
export function toM3u(tracks: readonly Track[]): string {
  const lines = ["#EXTM3U"];
  for (const { heard, path, name } of tracks) {
    if (heard) lines.push(`#EXTINF:${Math.round(heard.durationSeconds)},${line(name)}`, line(path));
  }
  return `${lines.join("\n")}\n`;
}

function finished(track: Track): boolean {
  return track.heard !== null || track.error !== null;
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function line(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
}
