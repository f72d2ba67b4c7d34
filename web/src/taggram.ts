/** The taggram: waveform, time, and one row per tag, on one canvas; labels beside it; a line at the position of the player. */

import { byCategory, type Card, isDegree } from "./card";
import { clock } from "./clock";
import { make, shown } from "./dom";
import type { Result } from "./messages";
import { displayOrder } from "./scores";

const WAVE = 68;
const AXIS = 22;
const HEAD = 24;
const ROW = 20;
const GAP = 2;

type Line = { y: number } & ({ head: string } | { tag: number });

/** Tags to draw, without degrees: at most `most`, first those that apply, then the strongest; grouped by category in that order. */
export function rowsOf(scores: ArrayLike<number>, card: Card, most: number): [category: string, tags: number[]][] {
  const best = displayOrder(scores, card).slice(0, most);
  const tags = best.map((tag) => ({ tag, category: card.vocabulary[tag]!.category }));
  return byCategory(tags).map(([category, tags]) => [category, tags.map(({ tag }) => tag)]);
}

/** The window at a time: the last that began before it. */
export function windowAt(startsSeconds: readonly number[], seconds: number): number {
  let low = 0;
  let high = startsSeconds.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (startsSeconds[middle]! <= seconds) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Is a time in a silence that was left out? */
export function isLeftOut({ leftOutSeconds = [] }: Pick<Result, "leftOutSeconds">, seconds: number): boolean {
  return leftOutSeconds.some(([begin, end]) => begin <= seconds && seconds < end);
}

export class Taggram {
  private readonly canvas = make("canvas", { "aria-hidden": "true" });
  private readonly labels = make("div", { class: "labels" });
  private readonly playhead = make("div", { class: "playhead" });
  private readonly pointer = make("div", { class: "pointer", hidden: "" });
  private readonly tip = make("div", { class: "tip", hidden: "", "aria-hidden": "true" });
  readonly slider = make("div", {
    class: "slider",
    role: "slider",
    tabindex: "0",
    "aria-label": "Position in the song",
    "aria-describedby": "how",
    "aria-valuemin": "0",
  });
  private readonly degrees: boolean[];
  private result: Result | null = null;
  private lines: Line[] = [];
  private height = 0;
  private top = 1;
  private seconds = 0;

  constructor(
    place: HTMLElement,
    private readonly card: Card,
    private readonly onSeek: (seconds: number, play: boolean) => void,
    private readonly onToggle: () => void,
  ) {
    this.degrees = isDegree(card);
    this.slider.append(this.canvas, this.pointer, this.playhead, this.tip);
    place.replaceChildren(this.labels, this.slider);
    new ResizeObserver(() => this.draw()).observe(this.slider);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
    this.addListeners();
  }

  /** Draws a file with at most `most` tags; returns the score that has the strongest colour. */
  show(result: Result, most: number): number {
    this.result = result;
    this.lines = [];
    this.top = rampTop(result.taggram, this.degrees);
    let y = WAVE + AXIS;
    for (const [category, tags] of result.silent ? [] : rowsOf(result.scores, this.card, most)) {
      this.lines.push({ y, head: category });
      y += HEAD;
      for (const tag of tags) {
        this.lines.push({ y, tag });
        y += ROW;
      }
      y += 4;
    }
    this.height = y;
    this.labels.replaceChildren(
      ...this.lines.map((line) => {
        const label =
          "head" in line
            ? make("div", { class: "category" }, line.head)
            : make(
                "div",
                { class: "tag", title: this.card.vocabulary[line.tag]!.name },
                make("span", {}, this.card.vocabulary[line.tag]!.name),
                make("b", {}, shown(result.scores[line.tag]!)),
              );
        label.style.top = `${line.y}px`;
        return label;
      }),
    );
    this.slider.style.height = `${y}px`;
    this.labels.style.height = `${y}px`;
    this.slider.setAttribute("aria-valuemax", result.durationSeconds.toFixed(1));
    this.draw();
    this.at(0);
    return this.top;
  }

  /** Moves the line to the player. Returns the strongest tags there. */
  at(seconds: number): string {
    const result = this.result;
    if (!result) return "";
    this.seconds = seconds;
    const share = Math.min(1, seconds / result.durationSeconds);
    this.playhead.style.transform = `translateX(${share * this.slider.clientWidth}px)`;
    const now = this.strongest(seconds);
    this.slider.setAttribute("aria-valuenow", seconds.toFixed(1));
    this.slider.setAttribute("aria-valuetext", `${clock(seconds)} of ${clock(result.durationSeconds)}: ${now}`);
    return now;
  }

  /** Tags of a window; "silent" for one that does not count. */
  private strongest(seconds: number): string {
    const result = this.result!;
    const tags = this.card.vocabulary;
    const from = windowAt(result.startsSeconds, seconds) * tags.length;
    if (isLeftOut(result, seconds) || tags.every((_, i) => result.taggram[from + i] === 0)) return "silent";
    return tags
      .map((tag, i) => ({ name: tag.name, score: result.taggram[from + i]! }))
      .filter((_, i) => !this.degrees[i])
      .sort((a, b) => b.score - a.score)
      .slice(0, 3)
      .map(({ name, score }) => `${name} ${shown(score)}`)
      .join(", ");
  }

  private addListeners(): void {
    const secondsAt = (event: PointerEvent | MouseEvent): number => {
      const { left, width } = this.slider.getBoundingClientRect();
      const share = Math.max(0, Math.min(1, (event.clientX - left) / width));
      return share * (this.result?.durationSeconds ?? 0);
    };
    this.slider.addEventListener("click", (event) => this.onSeek(secondsAt(event), true));
    this.slider.addEventListener("pointermove", (event) => {
      if (event.pointerType === "touch" || !this.result) return;
      const { left, top, width } = this.slider.getBoundingClientRect();
      const [x, y] = [event.clientX - left, event.clientY - top];
      const line = this.lines.find((line) => "tag" in line && y >= line.y && y < line.y + ROW);
      const seconds = secondsAt(event);
      let text = clock(seconds);
      if (line && "tag" in line) {
        const tags = this.card.vocabulary;
        const at = windowAt(this.result.startsSeconds, seconds) * tags.length + line.tag;
        text += `  ${tags[line.tag]!.name} ${shown(isLeftOut(this.result, seconds) ? 0 : this.result.taggram[at]!)}`;
      }
      this.pointer.hidden = this.tip.hidden = false;
      this.pointer.style.transform = `translateX(${x}px)`;
      this.tip.textContent = text;
      this.tip.style.transform = `translate(${Math.min(x + 10, width - this.tip.offsetWidth - 4)}px, ${Math.max(2, y - 30)}px)`;
    });
    this.slider.addEventListener("pointerleave", () => {
      this.pointer.hidden = this.tip.hidden = true;
    });
    this.slider.addEventListener("keydown", (event) => {
      const result = this.result;
      if (!result || event.altKey || event.ctrlKey || event.metaKey) return;
      const { hop_samples, sample_rate_hz } = this.card.input;
      const step = Math.max(1, hop_samples / sample_rate_hz);
      const leap = Math.max(step, result.durationSeconds / 10);
      const moves: Record<string, number> = {
        ArrowRight: this.seconds + step,
        ArrowUp: this.seconds + step,
        ArrowLeft: this.seconds - step,
        ArrowDown: this.seconds - step,
        PageUp: this.seconds + leap,
        PageDown: this.seconds - leap,
        Home: 0,
        End: result.durationSeconds,
      };
      const to = moves[event.key];
      if (to !== undefined) this.onSeek(Math.max(0, Math.min(result.durationSeconds, to)), false);
      else if (event.key === " " || event.key === "Enter") this.onToggle();
      else return;
      event.preventDefault();
    });
  }

  private draw(): void {
    const result = this.result;
    const width = this.slider.clientWidth;
    if (!result || !width) return;
    const dots = Math.min(2, devicePixelRatio || 1);
    const { canvas } = this;
    canvas.width = Math.round(width * dots);
    canvas.height = Math.round(this.height * dots);
    canvas.style.height = `${this.height}px`;
    const context = canvas.getContext("2d")!;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string): string => style.getPropertyValue(name).trim();
    context.setTransform(dots, 0, 0, dots, 0, 0);
    this.drawWave(context, result, width, dots, colour("--wave"));
    this.drawAxis(context, result.durationSeconds, width, colour("--muted"), colour("--line"));
    this.drawRows(context, result, dots, ramp(colour("--ramp").split(/\s+/)));
    this.at(this.seconds);
  }

  private drawWave(
    context: CanvasRenderingContext2D,
    result: Result,
    width: number,
    dots: number,
    colour: string,
  ): void {
    const { lows, highs, binSamples } = result.outline;
    const perSecond = this.card.input.sample_rate_hz / binSamples;
    const loudest = Math.max(0.05, ...lows.map(Math.abs), ...highs);
    const middle = WAVE / 2;
    const scale = (middle - 2) / loudest;
    context.fillStyle = colour;
    const columns = Math.round(width * dots);
    for (let x = 0; x < columns; x++) {
      const from = Math.floor((x / columns) * result.durationSeconds * perSecond);
      const to = Math.max(from + 1, Math.floor(((x + 1) / columns) * result.durationSeconds * perSecond));
      let low = 0;
      let high = 0;
      for (let i = from; i < Math.min(to, lows.length); i++) {
        low = Math.min(low, lows[i]!);
        high = Math.max(high, highs[i]!);
      }
      context.fillRect(x / dots, middle - high * scale, 1 / dots, Math.max(1 / dots, (high - low) * scale));
    }
  }

  private drawAxis(
    context: CanvasRenderingContext2D,
    seconds: number,
    width: number,
    text: string,
    line: string,
  ): void {
    const steps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600];
    const step = steps.find((step) => (step / seconds) * width >= 56) ?? 7200;
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    for (let at = 0; at <= seconds; at += step) {
      const x = Math.round((at / seconds) * width);
      context.fillStyle = line;
      context.fillRect(Math.min(x, width - 1), WAVE, 1, 5);
      context.fillStyle = text;
      const label = clock(at);
      const wide = context.measureText(label).width;
      context.fillText(label, Math.max(0, Math.min(width - wide, x - wide / 2)), WAVE + 14);
    }
  }

  private drawRows(context: CanvasRenderingContext2D, result: Result, dots: number, colours: Uint8ClampedArray): void {
    const columns = context.canvas.width;
    const tagLines = this.lines.filter((line): line is Line & { tag: number } => "tag" in line);
    if (!tagLines.length) return;
    const image = new ImageData(columns, tagLines.length);
    const nTags = this.card.vocabulary.length;
    const { startsSeconds: starts, durationSeconds } = result;
    for (let x = 0; x < columns; x++) {
      const seconds = ((x + 0.5) / columns) * durationSeconds;
      const from = windowAt(starts, seconds);
      const isSilent = isLeftOut(result, seconds);
      // If several windows share a column of dots, it shows their mean.
      const to = Math.max(from, windowAt(starts, ((x + 1.5) / columns) * durationSeconds) - 1);
      tagLines.forEach(({ tag }, row) => {
        let sum = 0;
        for (let k = from; k <= to; k++) sum += result.taggram[k * nTags + tag]!;
        const level = isSilent ? 0 : Math.round(Math.min(1, sum / (to - from + 1) / this.top) * 255) * 4;
        image.data.set(colours.subarray(level, level + 4), (row * columns + x) * 4);
      });
    }
    const small = make("canvas");
    small.width = columns;
    small.height = tagLines.length;
    small.getContext("2d")!.putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    tagLines.forEach(({ y }, row) => {
      context.drawImage(small, 0, row, columns, 1, 0, y + GAP / 2, columns / dots, ROW - GAP);
    });
  }
}

/**
 * The score that gets the strongest colour: networks with many tags rarely give high ones. In tenths, at least 0.3.
 * `degrees` says of each tag whether it is left out.
 */
export function rampTop(taggram: Float32Array, degrees: readonly boolean[] = [false]): number {
  const most = taggram.reduce((most, score, i) => (degrees[i % degrees.length] ? most : Math.max(most, score)), 0);
  return Math.min(10, Math.max(3, Math.ceil(most * 10 - 1e-6))) / 10;
}

/** 256 colours from a few, evenly spaced: RGBA, four bytes each. */
function ramp(stops: string[]): Uint8ClampedArray {
  const rgb = stops.map((stop) => [1, 3, 5].map((at) => Number.parseInt(stop.slice(at, at + 2), 16)));
  const out = new Uint8ClampedArray(256 * 4);
  for (let i = 0; i < 256; i++) {
    const at = (i / 255) * (rgb.length - 1);
    const low = Math.min(Math.floor(at), rgb.length - 2);
    for (let c = 0; c < 3; c++) {
      out[4 * i + c] = rgb[low]![c]! + (at - low) * (rgb[low + 1]![c]! - rgb[low]![c]!);
    }
    out[4 * i + 3] = 255;
  }
  return out;
}
