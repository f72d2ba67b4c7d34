/** One file: its tags by category, the player, and the taggram that follows it. */

import { byCategory, type Card } from "./card";
import { clock } from "./clock";
import { find, make, setText, shown } from "./dom";
import type { Heard } from "./messages";
import { Taggram } from "./taggram";
import type { Track } from "./track";

const ROWS = 24;
const BARS = 10;

export class Detail {
  private readonly section = find("detail");
  private readonly player = find<HTMLAudioElement>("player");
  private readonly more = find<HTMLButtonElement>("more-rows");
  private readonly now = find("now");
  private readonly taggram: Taggram;
  private track: Track | null = null;
  private url: string | null = null;
  private all = false;
  private playable = true;

  constructor(private readonly card: Card) {
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
    this.playable = true;
    this.section.hidden = false;
    this.player.hidden = false;
    setText(find("detail-title"), track.name);
    const heard = track.heard!;
    const speed = heard.durationSeconds / Math.max(heard.tookSeconds, 1e-3);
    const took = `${heard.tookSeconds.toFixed(1)} s, ${Math.round(speed)} times as fast as it plays`;
    setText(find("detail-about"), `${clock(heard.durationSeconds)} of sound, listened to in ${took}.`);
    find("warnings").replaceChildren(...heard.warnings.map((warning) => make("li", {}, warning)));
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
    const heard = this.track!.heard!;
    const nTags = this.card.vocabulary.length;
    setText(find("ramp-top"), String(this.taggram.show(heard, this.all ? nTags : ROWS)));
    this.more.hidden = nTags <= ROWS;
    this.more.textContent = this.all ? `Only the ${ROWS} strongest` : `All ${nTags} tags`;
    find("tags").replaceChildren(...this.cards(heard));
    this.follow();
  }

  private cards(heard: Heard): HTMLElement[] {
    return byCategory(this.card.vocabulary).map(([category, tags]) => {
      const order = tags.toSorted((a, b) => heard.scores[b]! - heard.scores[a]!);
      const rows = order.slice(0, this.all ? undefined : BARS).map((tag) => this.bar(heard, tag));
      const degree = tags.every((tag) => this.card.vocabulary[tag]!.kind === "regression");
      const left = order.length - rows.length;
      const head = make("h3", {}, category, make("small", {}, degree ? "how much" : "how likely"));
      const box = make("section", { class: "category" }, head, make("ul", {}, ...rows));
      if (left > 0) box.append(make("p", { class: "hint" }, `and ${left} weaker`));
      return box;
    });
  }

  private bar(heard: Heard, tag: number): HTMLElement {
    const { name } = this.card.vocabulary[tag]!;
    const score = heard.scores[tag]!;
    const threshold = this.card.thresholds[name];
    const track = make("span", { class: "bar-track", "aria-hidden": "true" }, make("i"));
    (track.firstElementChild as HTMLElement).style.inlineSize = `${100 * score}%`;
    const row = make("li", {}, make("span", { class: "bar-name" }, name), track, make("b", {}, shown(score)));
    if (threshold === undefined) return row;
    const mark = make("u");
    mark.style.insetInlineStart = `${100 * threshold}%`;
    track.append(mark);
    const holds = score >= threshold;
    row.classList.toggle("below", !holds);
    row.title = `${holds ? "reaches" : "is below"} ${shown(threshold)}, from which it is said to hold`;
    row.append(make("span", { class: "unseen" }, holds ? " (holds)" : " (below its threshold)"));
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

  /** Smoother than the player's own four events a second. */
  private run(): void {
    if (this.player.paused || this.player.ended) return;
    this.follow();
    requestAnimationFrame(() => this.run());
  }
}
