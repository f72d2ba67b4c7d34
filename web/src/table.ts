/** The files in a table: sorted by any column, filtered by a tag's score. */

import { type Card, isDegree } from "./card";
import { clock } from "./clock";
import { find, make, setText, shown } from "./dom";
import type { Result } from "./messages";
import { ranked, topPerCategory } from "./scores";
import { wheelPlace } from "./tempo_key/musical_key";
import { keyText, tempoText } from "./tempo_key/result";
import type { Track } from "./track";
import { TagFinder } from "./words";

type Column = "path" | "length" | "bpm" | "key" | "best" | "score";

export class Table {
  private readonly rows = new Map<number, Row>();
  private readonly body = find("rows");
  private readonly heads = find("heads");
  private readonly choice = find<HTMLInputElement>("by-tag");
  private readonly note = find("by-tag-note");
  private readonly finder: TagFinder;
  private chosen: number | null = null;
  private readonly atLeast = find<HTMLInputElement>("at-least");
  private sortBy: Column = "path";
  private descending = false;
  private byOrder = true; // as they came, until someone sorts
  private selected: Track | null = null;
  private hasTempoKey = false;

  constructor(
    private readonly tracks: readonly Track[],
    private readonly card: Card,
    private readonly onSelect: (track: Track) => void,
  ) {
    this.finder = new TagFinder(card.vocabulary.map(({ name }) => name));
    const degrees = isDegree(card);
    const tags = card.vocabulary.map(({ name, category }, i) => [name, degrees[i] ? "degree" : category] as const);
    const options = [...tags, ...this.finder.words()].toSorted(([a], [b]) =>
      a.localeCompare(b, undefined, { numeric: true }),
    );
    find("tag-words").replaceChildren(...options.map(([value, label]) => make("option", { value, label })));
    this.choice.addEventListener("input", () => this.choose(this.choice.value.trim()));
    this.choice.addEventListener("change", () => {
      const word = this.choice.value.trim();
      if (word && this.chosen === null) setText(this.note, `no tag “${word}”`);
    });
    this.atLeast.addEventListener("input", () => {
      this.setAtLeast(Number(this.atLeast.value));
      this.render();
    });
    this.render();
  }

  /** The tracks that the table shows, in its order. */
  shown(): Track[] {
    const tag = this.chosen;
    const least = Number(this.atLeast.value);
    const kept = this.tracks.filter((track) => tag === null || least === 0 || (this.score(track) ?? -1) >= least);
    if (this.byOrder) return kept;
    const sign = this.descending ? -1 : 1;
    return kept.sort((a, b) => {
      const [x, y] = [this.value(a), this.value(b)];
      if (x === null || y === null) return Number(x === null) - Number(y === null); // what has none comes last
      if (typeof x === "string") return sign * x.localeCompare(String(y), undefined, { numeric: true });
      return sign * (x - Number(y));
    });
  }

  markSelected(track: Track | null): void {
    this.selected = track;
    for (const row of this.rows.values()) row.mark(row.track === track);
  }

  clear(): void {
    this.rows.clear();
    this.selected = null;
    this.byOrder = true;
    this.choice.value = "";
    this.choose("");
  }

  changed(track: Track): void {
    this.rows.get(track.id)?.update(this.chosen, this.hasTempoKey);
  }

  render(): void {
    this.hasTempoKey = this.tracks.some(({ result }) => result?.tempo);
    this.renderHeads();
    const tag = this.chosen;
    const rows = this.shown().map((track) => {
      let row = this.rows.get(track.id);
      if (!row) {
        row = new Row(track, this.card, this.onSelect);
        row.mark(track === this.selected);
        this.rows.set(track.id, row);
      }
      row.update(tag, this.hasTempoKey);
      return row.element;
    });
    const same = rows.length === this.body.children.length && rows.every((row, i) => row === this.body.children[i]);
    if (same) return;
    const focused = document.activeElement as HTMLElement | null;
    this.body.replaceChildren(...rows);
    if (focused && this.body.contains(focused)) focused.focus();
  }

  private sort(column: Column, descending: boolean): void {
    this.sortBy = column;
    this.descending = descending;
    this.byOrder = false;
    this.render();
  }

  private renderHeads(): void {
    const tag = this.chosen;
    const columns: [Column, string][] = [
      ["path", "File"],
      ["length", "Length"],
    ];
    if (this.hasTempoKey) columns.push(["bpm", "BPM"], ["key", "Key"]);
    columns.push(["best", "Tags"]);
    if (tag !== null) columns.push(["score", this.card.vocabulary[tag]!.name]);
    const key = JSON.stringify([columns, this.sortBy, this.descending, this.byOrder]);
    if (this.heads.dataset.key === key) return;
    this.heads.dataset.key = key;
    const focused = (document.activeElement as HTMLElement | null)?.dataset.column;
    this.heads.replaceChildren(
      ...columns.map(([column, text]) => {
        const here = !this.byOrder && this.sortBy === column;
        const sort = here ? (this.descending ? "descending" : "ascending") : "none";
        const arrow = make("span", { "aria-hidden": "true" }, here ? (this.descending ? " ↓" : " ↑") : "");
        const button = make("button", { type: "button", "data-column": column }, text, arrow);
        const first = column === "best" || column === "score"; // begins with the highest
        button.addEventListener("click", () => this.sort(column, here ? !this.descending : first));
        if (column === focused) queueMicrotask(() => button.focus());
        return make("th", { scope: "col", "aria-sort": sort, class: column }, button);
      }),
    );
  }

  private value(track: Track): string | number | null {
    if (this.sortBy === "path") return track.path;
    if (this.sortBy === "length") return track.result?.durationSeconds ?? null;
    if (this.sortBy === "bpm") return track.result?.tempo?.bpm ?? null;
    if (this.sortBy === "key") return track.result?.key?.camelot ? wheelPlace(track.result.key.camelot) : null;
    if (this.sortBy === "score") return this.score(track);
    return track.result && !track.result.silent
      ? Math.max(0, ...topPerCategory(track.result.scores, this.card).map(({ score }) => score))
      : null;
  }

  private score(track: Track): number | null {
    return this.chosen === null ? null : (track.result?.scores[this.chosen] ?? null);
  }

  /** Show the scores of the tag that was typed, in any spelling or by another word for it; of none while it is half typed. */
  private choose(word: string): void {
    const names = this.card.vocabulary.map(({ name }) => name);
    const spelled = names.includes(word) ? word : this.finder.spelled(word)[0];
    const tag = spelled ?? this.finder.meant(word)[0];
    const chosen = tag === undefined ? null : names.indexOf(tag);
    setText(this.note, tag === spelled ? "" : `searched as ${tag}`);
    if (chosen === this.chosen) return;
    this.chosen = chosen;
    this.atLeast.disabled = chosen === null;
    if (chosen === null) this.setAtLeast(0);
    this.sort(chosen === null ? "path" : "score", chosen !== null);
  }

  private setAtLeast(score: number): void {
    this.atLeast.value = String(score);
    find("at-least-text").textContent = shown(score);
  }
}

class Row {
  readonly element = make("tr");
  private readonly name: HTMLButtonElement;
  private readonly length = make("td", { class: "length" });
  private readonly tags = make("td", { class: "best" });
  private readonly score = make("td", { class: "score" });
  private readonly bpm = make("td", { class: "bpm" });
  private readonly key = make("td", { class: "key" });
  private drawn = "";

  constructor(
    readonly track: Track,
    private readonly card: Card,
    onSelect: (track: Track) => void,
  ) {
    this.name = make("button", { type: "button", class: "name" }, track.name);
    this.name.addEventListener("click", () => onSelect(track));
    const folder = track.path.slice(0, -track.name.length);
    const head = make("th", { scope: "row", class: "path" }, this.name);
    if (folder) head.append(make("small", {}, folder));
    this.element.append(head, this.length, this.tags);
  }

  mark(selected: boolean): void {
    this.element.classList.toggle("selected", selected);
    if (selected) this.name.setAttribute("aria-current", "true");
    else this.name.removeAttribute("aria-current");
  }

  update(tag: number | null, hasTempoKey: boolean): void {
    const { result, state, error, progress } = this.track;
    setText(this.length, result ? clock(result.durationSeconds) : "");
    this.name.disabled = !result;
    if (hasTempoKey && !this.bpm.isConnected) this.length.after(this.bpm, this.key);
    if (tag === null) this.score.remove();
    else {
      setText(this.score, result ? shown(result.scores[tag]!) : "");
      if (!this.score.isConnected) this.element.append(this.score);
    }
    if (state === "working" && this.drawn === "working") {
      const bar = this.tags.querySelector("progress");
      if (bar && progress.ofSeconds) bar.value = Math.min(1, progress.seconds / progress.ofSeconds);
      const text = this.tags.querySelector("span");
      if (text) setText(text, progress.seconds ? `${clock(progress.seconds)} processed` : "reading");
      return;
    }
    if (this.drawn === state) return;
    this.drawn = state;
    this.element.classList.toggle("failed", state === "failed");
    if (state === "waiting") this.tags.replaceChildren(make("span", { class: "hint" }, "waiting"));
    else if (state === "working") {
      const bar = make("progress", { max: "1", "aria-label": `Tagging ${this.track.name}` });
      this.tags.replaceChildren(bar, make("span", { class: "hint" }, "reading"));
    } else if (state === "failed") this.tags.replaceChildren(make("span", { class: "error" }, error ?? "failed"));
    else if (result) {
      this.drawTempoKey(result);
      const tags = result.silent ? [] : topPerCategory(result.scores, this.card);
      const chips = tags.map(({ tag, score, category }) =>
        make("span", { class: "chip", "data-category": category }, `${tag} `, make("b", {}, shown(score))),
      );
      const highest = ranked(result.scores, this.card).slice(0, 3);
      const named = highest.map(({ tag, score }) => `${tag} ${shown(score)}`).join(", ");
      const why = result.silent ? "silent: no tags" : `nothing over its threshold; highest: ${named}`;
      const none = make("span", { class: "hint" }, why);
      this.tags.replaceChildren(...(chips.length ? chips : [none]));
      if (result.warnings.length) {
        this.tags.append(make("span", { class: "chip note", title: result.warnings.join("\n") }, "note"));
      }
    }
  }

  private drawTempoKey({ tempo, key }: Result): void {
    if (!tempo || !key) return;
    const none = (text: string): HTMLElement => make("span", { class: "hint" }, text);
    this.bpm.title = `${tempoText(tempo)}, confidence ${shown(tempo.confidence)}`;
    this.bpm.classList.toggle("known", tempo.bpm !== null);
    this.bpm.replaceChildren(tempo.bpm === null ? none("no beat") : tempo.bpm.toFixed(1));
    const codes = key.key === null ? "" : `, Camelot ${key.camelot}, Open Key ${key.open_key}`;
    this.key.title = `${keyText(key)}${codes}, confidence ${shown(key.confidence)}`;
    if (key.key === null) this.key.replaceChildren(none("no key"));
    else this.key.replaceChildren(`${key.key} `, make("small", {}, key.camelot));
  }
}
