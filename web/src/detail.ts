/** One file: its tags by category, the player, and the taggram that follows it. */

import { byCategory, type Card, isDegree } from "./card";
import { clock } from "./clock";
import { find, make, percent, setText, shown } from "./dom";
import type { Result } from "./messages";
import { displayOrder, reaching, tagApplies } from "./scores";
import { Taggram } from "./taggram";
import { keyText, tempoText } from "./tempo_key/result";
import type { Track } from "./track";

const ROWS = 16;
/** At least so many tags are shown per category, even if fewer apply: near misses are informative. */
const BARS = 3;

const HOW = "Click to listen from there. With the keyboard: arrow keys, and space to play.";
const ONLY_RESULTS = "From an earlier visit: only its results are kept. Add the file again to listen to it.";

export class Detail {
  private readonly section = find("detail");
  private readonly player = find<HTMLAudioElement>("player");
  private readonly more = find<HTMLButtonElement>("more-rows");
  private readonly now = find("now");
  private readonly taggram: Taggram;
  private track: Track | null = null;
  private url: string | null = null;
  private all = false;
  private readonly unfolded = new Set<string>();
  private playable = true;
  /** Positions of the model's degrees. */
  private readonly degrees: number[];

  constructor(private readonly card: Card) {
    this.degrees = isDegree(card).flatMap((is, i) => (is ? i : []));
    this.taggram = new Taggram(
      find("taggram"),
      card,
      (seconds, play) => this.seek(seconds, play),
      () => void (this.player.paused ? this.player.play().catch(() => {}) : this.player.pause()),
    );
    this.player.addEventListener("timeupdate", () => this.follow());
    this.player.addEventListener("seeking", () => this.follow());
    this.player.addEventListener("play", () => this.run());
    this.player.addEventListener("error", () => {
      if (!this.url) return;
      this.playable = false;
      this.player.hidden = true;
      this.setNow("This browser can tag this file, but not play it.");
    });
    this.more.addEventListener("click", () => {
      this.all = !this.all;
      if (this.track) this.draw();
    });
  }

  get shown(): Track | null {
    return this.track;
  }

  show(track: Track): void {
    this.close();
    this.track = track;
    this.all = false;
    this.playable = track.file !== null;
    this.section.hidden = false;
    this.player.hidden = !this.playable;
    setText(find("how"), this.playable ? HOW : ONLY_RESULTS);
    setText(find("detail-title"), track.name);
    const result = track.result!;
    const speed = result.durationSeconds / Math.max(result.tookSeconds, 1e-3);
    const took = `${result.tookSeconds.toFixed(1)} s, ${Math.round(speed)} times as fast as it plays`;
    const silent = result.silentSeconds >= 0.5 ? ` (${clock(result.silentSeconds)} of it silent)` : "";
    setText(find("detail-about"), `${clock(result.durationSeconds)} of audio${silent}, processed in ${took}.`);
    this.drawTempoKey(result);
    find("warnings").replaceChildren(...result.warnings.map((warning) => make("li", {}, warning)));
    if (track.file) {
      this.url = URL.createObjectURL(track.file);
      this.player.src = this.url;
    }
    this.draw();
  }

  close(): void {
    this.player.pause();
    if (this.url) {
      const url = this.url;
      this.url = null;
      this.player.removeAttribute("src");
      this.player.load();
      URL.revokeObjectURL(url);
    }
    this.track = null;
    this.section.hidden = true;
  }

  private draw(): void {
    const result = this.track!.result!;
    const nTags = this.card.vocabulary.length - this.degrees.length;
    setText(find("ramp-top"), String(this.taggram.show(result, this.all ? nTags : ROWS)));
    this.more.hidden = nTags <= ROWS || result.silent;
    this.more.textContent = this.all ? `Only the ${ROWS} strongest` : `All ${nTags} tags`;
    this.drawTags(result);
    this.follow();
  }

  private drawTempoKey({ tempo, key }: Result): void {
    const sure = (confidence: number): string[] => (confidence ? [`confidence ${shown(confidence)}`] : []);
    const facts: [title: string, value: string, more: string[]][] = [];
    if (tempo) facts.push(["Tempo", tempoText(tempo), sure(tempo.confidence)]);
    if (key) {
      const codes = key.key === null ? [] : [`Camelot ${key.camelot}`, `Open Key ${key.open_key}`];
      facts.push(["Key", keyText(key), [...codes, ...sure(key.confidence)]]);
    }
    if (key?.confidence) facts.push(["Tuning", `${key.tuning_hz.toFixed(1)} Hz`, ["of the A above middle C"]]);
    find("tempo-key").hidden = !facts.length;
    find("tempo-key").replaceChildren(
      ...facts.map(([title, value, more]) =>
        make("div", {}, make("dt", {}, title), make("dd", {}, value, make("small", {}, more.join(", ")))),
      ),
    );
  }

  private drawTags(result: Result): void {
    const { scores } = result;
    if (result.silent) {
      find("tags").replaceChildren(make("p", { class: "hint" }, "This file is silent, so it has no tags."));
      return;
    }
    const said = { reaches: reaching(scores, this.card), applies: tagApplies(scores, this.card) };
    const tags = displayOrder(scores, this.card).map((tag) => ({ tag, category: this.card.vocabulary[tag]!.category }));
    const boxes = byCategory(tags).map(([category, members]) => {
      const nApplying = members.filter(({ tag }) => said.applies[tag]).length;
      const unfolded = this.unfolded.has(category);
      const least = Math.max(nApplying, Math.min(BARS, members.length));
      const rows = members.slice(0, unfolded ? undefined : least).map(({ tag }) => this.bar(scores[tag]!, tag, said));
      const degree = members.every(({ tag }) => this.card.vocabulary[tag]!.kind === "regression");
      const head = make("h3", {}, category, make("small", {}, degree ? "how much" : "how likely"));
      const box = make("section", { class: "category", "data-category": category }, head, make("ul", {}, ...rows));
      if (members.length > least) {
        const text = unfolded ? "fewer" : `${members.length - least} weaker`;
        const button = make("button", { type: "button", class: "fold", "aria-expanded": String(unfolded) }, text);
        button.append(make("span", { class: "unseen" }, ` tags of ${category}`));
        button.addEventListener("click", () => {
          if (unfolded) this.unfolded.delete(category);
          else this.unfolded.add(category);
          this.drawTags(result);
          find("tags")
            .querySelector<HTMLElement>(`[data-category="${CSS.escape(category)}"] button`)
            ?.focus();
        });
        box.append(button);
      }
      return box;
    });
    if (this.degrees.length) {
      const rows = this.degrees.map((tag) => this.bar(scores[tag]!, tag, null));
      const head = make("h3", {}, "degrees", make("small", {}, "0 to 100"));
      boxes.push(make("section", { class: "category", "data-category": "degrees" }, head, make("ul", {}, ...rows)));
    }
    find("tags").replaceChildren(...boxes);
  }

  /** A tag's row; of a degree, which neither applies nor not, with `said` of null. */
  private bar(score: number, tag: number, said: { reaches: boolean[]; applies: boolean[] } | null): HTMLElement {
    const { name } = this.card.vocabulary[tag]!;
    const threshold = this.card.thresholds[name];
    const track = make("span", { class: "bar-track", "aria-hidden": "true" }, make("i"));
    (track.firstElementChild as HTMLElement).style.inlineSize = `${100 * score}%`;
    const row = make(
      "li",
      {},
      make("span", { class: "bar-name" }, name),
      track,
      make("b", {}, said ? shown(score) : percent(score)),
    );
    if (!said) return row;
    const applies = said.applies[tag]!;
    const reaches = said.reaches[tag]!;
    const because = applies ? "implied by another tag" : "left out by the model's rules";
    row.classList.toggle("below", !applies);
    if (threshold !== undefined) {
      const mark = make("u");
      mark.style.insetInlineStart = `${100 * threshold}%`;
      track.append(mark);
      row.title = `${reaches ? "reaches" : "is below"} ${shown(threshold)}, its threshold`;
      if (reaches !== applies) row.title += `; ${because}`;
    }
    const why = reaches !== applies ? because : applies ? "holds" : "below its threshold";
    if (threshold !== undefined || !applies) row.append(make("span", { class: "unseen" }, ` (${why})`));
    return row;
  }

  private seek(seconds: number, play: boolean): void {
    if (!this.playable) {
      this.setNow(`${clock(seconds)}: ${this.taggram.at(seconds)}`);
      return;
    }
    this.player.currentTime = seconds;
    if (play) void this.player.play().catch(() => {});
    this.follow();
  }

  private follow(): void {
    if (!this.track || !this.playable) return;
    const seconds = this.player.currentTime;
    this.setNow(`${clock(seconds)}: ${this.taggram.at(seconds)}`);
  }

  private setNow(text: string): void {
    setText(this.now, text);
  }

  /** Smoother than four events per second of the player. */
  private run(): void {
    if (this.player.paused || this.player.ended) return;
    this.follow();
    requestAnimationFrame(() => this.run());
  }
}
