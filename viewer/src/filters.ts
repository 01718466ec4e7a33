// Filters linked to histograms: each shows how many signals the other filters leave.
import type { Column, Dataset } from "./data";
import { el, readable, short, surface, themed, thousands } from "./dom";
import { classColour, css, numberColour, MOST_CLASSES, UNKNOWN, type Rgb } from "./palette";

const BINS = 36;
const MOST_WORDS = 12;

/** Which signals one column's filter keeps. */
type Keeps = ((row: number) => boolean) | null;

export class Filters {
  readonly element = el("section", { class: "filters", "aria-label": "Filters" });
  /** Which signals are left by all filters. */
  readonly shown: Uint8Array;
  private readonly facets: Facet[];
  private only: Set<number> | null = null;

  constructor(
    private readonly data: Dataset,
    private readonly changed: () => void,
  ) {
    this.shown = new Uint8Array(data.ids.length).fill(1);
    this.facets = data.columns.map((column) =>
      column.kind === "text"
        ? new WordFacet(data, column, () => this.apply())
        : new NumberFacet(data, column, () => this.apply()),
    );
    this.element.append(...this.facets.map((facet) => facet.element));
    this.apply();
  }

  /** Keep these signals only, besides what the filters say; all when null. */
  keepOnly(rows: number[] | null): void {
    this.only = rows === null ? null : new Set(rows);
    this.apply();
  }

  get active(): boolean {
    return this.only !== null || this.facets.some((facet) => facet.keeps !== null);
  }

  clear(): void {
    this.only = null;
    for (const facet of this.facets) facet.clear();
    this.apply();
  }

  colourBy(column: Column | null): void {
    for (const facet of this.facets) facet.coloured = facet.column === column;
    this.apply();
  }

  redraw(): void {
    for (const facet of this.facets) facet.redraw();
  }

  private apply(): void {
    const count = this.data.ids.length;
    // How many filters leave a signal out, and the last that does.
    const outs = new Uint8Array(count);
    const last = new Int16Array(count).fill(-1);
    this.facets.forEach((facet, number) => {
      const { keeps } = facet;
      if (keeps === null) return;
      for (let row = 0; row < count; row++) {
        if (keeps(row)) continue;
        outs[row] += 1;
        last[row] = number;
      }
    });
    for (let row = 0; row < count; row++) {
      if (this.only !== null && !this.only.has(row)) outs[row] = 200;
      this.shown[row] = outs[row] === 0 ? 1 : 0;
    }
    this.facets.forEach((facet, number) => {
      facet.count((row) => outs[row] === 0 || (outs[row] === 1 && last[row] === number));
    });
    this.changed();
  }
}

abstract class Facet {
  readonly element: HTMLElement;
  keeps: Keeps = null;
  coloured = false;

  constructor(
    protected readonly data: Dataset,
    readonly column: Column,
    protected readonly changed: () => void,
  ) {
    const unit = column.unit ? ` (${column.unit})` : "";
    this.element = el("fieldset", { class: "facet" }, el("legend", {}, readable(column.title) + unit));
  }

  abstract count(left: (row: number) => boolean): void;
  abstract redraw(): void;
  abstract clear(): void;
}

class WordFacet extends Facet {
  private readonly order: number[];
  private readonly totals: Int32Array;
  private readonly chosen = new Set<number>();
  private readonly list = el("div", { class: "words" });
  private counts: Int32Array;

  constructor(data: Dataset, column: Column, changed: () => void) {
    super(data, column, changed);
    this.totals = new Int32Array(column.words.length);
    for (const code of column.codes) if (code >= 0) this.totals[code] += 1;
    this.counts = this.totals.slice();
    this.order = wordOrder(column);
    this.element.append(this.list);
  }

  count(left: (row: number) => boolean): void {
    this.counts = new Int32Array(this.column.words.length);
    this.column.codes.forEach((code, row) => {
      if (code >= 0 && left(row)) this.counts[code] += 1;
    });
    this.redraw();
  }

  redraw(): void {
    const most = Math.max(1, ...this.order.slice(0, MOST_WORDS).map((code) => this.totals[code]));
    const focused = this.list.contains(document.activeElement)
      ? Array.from(this.list.children).indexOf(document.activeElement as Element)
      : -1;
    const rows = this.order.slice(0, MOST_WORDS).map((code, place) => this.wordRow(code, place, most));
    if (this.order.length > MOST_WORDS) {
      rows.push(el("div", { class: "more" }, `and ${this.order.length - MOST_WORDS} more`));
    }
    this.list.replaceChildren(...rows);
    if (focused >= 0) (this.list.children[focused] as HTMLElement).focus();
  }

  private wordRow(code: number, place: number, most: number): HTMLElement {
    const pressed = this.chosen.has(code);
    const swatch = el("span", { class: "swatch" });
    if (this.coloured) swatch.style.background = css(classColour(place));
    const bar = el("span", { class: "bar" });
    bar.style.width = `${(100 * this.totals[code]) / most}%`;
    const part = el("span", { class: "part" });
    part.style.width = `${(100 * this.counts[code]) / Math.max(1, this.totals[code])}%`;
    bar.append(part);
    return el(
      "button",
      { class: "word", type: "button", "aria-pressed": String(pressed), onclick: () => this.toggle(code) },
      swatch,
      el("span", { class: "name" }, readable(this.column.words[code]) || "(empty)"),
      el("span", { class: "number" }, thousands(this.counts[code])),
      el("span", { class: "track" }, bar),
    );
  }

  private toggle(code: number): void {
    if (!this.chosen.delete(code)) this.chosen.add(code);
    const { codes } = this.column;
    this.keeps = this.chosen.size ? (row) => this.chosen.has(codes[row]) : null;
    this.changed();
  }

  clear(): void {
    this.chosen.clear();
    this.keeps = null;
  }
}

class NumberFacet extends Facet {
  private readonly canvas = el("canvas", { "aria-hidden": "true" });
  private readonly low: HTMLInputElement;
  private readonly high: HTMLInputElement;
  private readonly ends: [number, number];
  private readonly totals: Int32Array;
  private counts: Int32Array;
  private range: [number, number] | null = null;
  private start: number | null = null;

  constructor(data: Dataset, column: Column, changed: () => void) {
    super(data, column, changed);
    this.ends = finiteEnds(column.numbers);
    this.totals = new Int32Array(BINS);
    for (const value of column.numbers) if (!Number.isNaN(value)) this.totals[this.bin(value)] += 1;
    this.counts = this.totals.slice();
    const field = (name: string): HTMLInputElement =>
      el("input", {
        type: "number",
        step: "any",
        "aria-label": `${readable(column.title)} ${name}`,
        onchange: () => this.typed(),
      });
    this.low = field("at least");
    this.high = field("at most");
    this.element.append(
      this.canvas,
      el("div", { class: "ends" }, this.low, el("span", {}, "to"), this.high),
    );
    this.canvas.addEventListener("pointerdown", (event) => {
      this.start = this.valueAt(event.offsetX);
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (this.start !== null) this.brush(this.start, this.valueAt(event.offsetX));
    });
    this.canvas.addEventListener("pointerup", () => (this.start = null));
    this.canvas.addEventListener("dblclick", () => {
      this.clear();
      this.changed();
    });
    new ResizeObserver(() => this.redraw()).observe(this.element);
    this.tell();
  }

  private bin(value: number): number {
    const [low, high] = this.ends;
    return Math.min(BINS - 1, Math.max(0, Math.floor(((value - low) / (high - low)) * BINS)));
  }

  private valueAt(x: number): number {
    const [low, high] = this.ends;
    return low + (Math.min(1, Math.max(0, x / this.canvas.clientWidth)) * (high - low));
  }

  private brush(first: number, second: number): void {
    if (first === second) return;
    this.keep([Math.min(first, second), Math.max(first, second)]);
  }

  private typed(): void {
    const number = (field: HTMLInputElement, other: number): number =>
      field.value === "" ? other : Number(field.value);
    this.keep([number(this.low, this.ends[0]), number(this.high, this.ends[1])]);
  }

  private keep(range: [number, number]): void {
    this.range = range;
    const { numbers } = this.column;
    const [low, high] = range;
    this.keeps = (row) => numbers[row] >= low && numbers[row] <= high;
    this.tell();
    this.changed();
  }

  private tell(): void {
    const [low, high] = this.range ?? this.ends;
    this.low.value = short(low);
    this.high.value = short(high);
  }

  clear(): void {
    this.range = null;
    this.keeps = null;
    this.tell();
  }

  count(left: (row: number) => boolean): void {
    this.counts = new Int32Array(BINS);
    this.column.numbers.forEach((value, row) => {
      if (!Number.isNaN(value) && left(row)) this.counts[this.bin(value)] += 1;
    });
    this.redraw();
  }

  redraw(): void {
    const width = this.element.clientWidth - 20;
    if (width <= 0) return;
    const height = 44;
    const { pen } = surface(this.canvas, width, height);
    pen.clearRect(0, 0, width, height);
    const most = Math.max(1, ...this.totals);
    const bar = width / BINS;
    for (let bin = 0; bin < BINS; bin++) {
      const tall = (value: number): number => (height - 2) * Math.sqrt(value / most);
      pen.fillStyle = themed("line");
      pen.fillRect(bin * bar, height - tall(this.totals[bin]), bar - 1, tall(this.totals[bin]));
      pen.fillStyle = this.coloured ? css(numberColour(bin / (BINS - 1))) : themed("bar");
      pen.fillRect(bin * bar, height - tall(this.counts[bin]), bar - 1, tall(this.counts[bin]));
    }
    if (this.range === null) return;
    const place = (value: number): number =>
      ((value - this.ends[0]) / (this.ends[1] - this.ends[0])) * width;
    const [from, to] = [place(this.range[0]), place(this.range[1])];
    pen.strokeStyle = themed("accent");
    pen.lineWidth = 2;
    pen.strokeRect(from, 1, Math.max(2, to - from), height - 2);
  }
}

function finiteEnds(numbers: Float32Array): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of numbers) {
    if (Number.isNaN(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (!(low <= high)) return [0, 1];
  return low === high ? [low, low + 1] : [low, high];
}

/** Codes of words, the most frequent first. */
export function wordOrder(column: Column): number[] {
  const counts = new Int32Array(column.words.length);
  for (const code of column.codes) if (code >= 0) counts[code] += 1;
  return column.words.map((_, code) => code).sort((first, second) => counts[second] - counts[first]);
}

/** A colour for each signal. */
export function coloursBy(data: Dataset, column: Column | null): Rgb[] {
  const colours = new Array<Rgb>(data.ids.length).fill(classColour(0));
  if (column === null) return colours;
  if (column.kind === "text") {
    const places = new Int32Array(column.words.length);
    wordOrder(column).forEach((code, place) => (places[code] = place));
    column.codes.forEach((code, row) => {
      const known = code >= 0 && places[code] < MOST_CLASSES;
      colours[row] = known ? classColour(places[code]) : UNKNOWN;
    });
    return colours;
  }
  const [low, high] = finiteEnds(column.numbers);
  column.numbers.forEach((value, row) => {
    colours[row] = Number.isNaN(value) ? UNKNOWN : numberColour((value - low) / (high - low));
  });
  return colours;
}
