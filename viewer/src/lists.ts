// Signals worth a look: the worst reconstructions, the farthest from the others, and pairs that are
// nearly the same across what should be kept apart.
import type { Dataset } from "./data";
import { el, fill, readable, short } from "./dom";

const LISTED = 100;

interface Entry {
  rows: number[];
  value: string;
}

export class Lists {
  readonly element = el("div", { class: "lists" });
  private readonly which = el("select", { "aria-label": "Which list", onchange: () => this.list() });
  private readonly body = el("div");
  private entries: Entry[] = [];
  private place = -1;

  constructor(
    private readonly data: Dataset,
    private readonly shown: Uint8Array,
    private readonly choose: (rows: number[]) => void,
  ) {
    const names: Record<string, string> = {};
    if (data.column("psnr")) names.psnr = "worst reconstructions";
    if (data.column("outlier")) names.outlier = "farthest from the others";
    if (data.manifest.leaks) names.leaks = `nearly the same, across ${readable(data.manifest.leaks.between)}`;
    for (const [value, title] of Object.entries(names)) {
      this.which.append(el("option", { value }, title));
    }
    this.element.append(el("p", { class: "row" }, this.which), this.body);
    this.list();
  }

  /** List again, after filters have changed. */
  list(): void {
    this.entries = this.which.value === "leaks" ? this.pairs() : this.extremes(this.which.value);
    this.place = -1;
    const items = this.entries.map((entry, place) =>
      el(
        "li",
        {},
        el(
          "button",
          { type: "button", onclick: () => this.go(place) },
          el("span", { class: "name" }, entry.rows.map((row) => this.named(row)).join("  =  ")),
          el("span", { class: "number" }, entry.value),
        ),
      ),
    );
    const none = el("p", { class: "note" }, "None among the signals that are shown.");
    fill(this.body, items.length ? el("ol", { class: "hits" }, ...items) : none);
  }

  private named(row: number): string {
    const split = this.data.column("split");
    const where = this.which.value === "leaks" && split ? ` (${this.data.text(split, row)})` : "";
    return readable(this.data.ids[row] + where);
  }

  /** To the next or the previous entry. */
  step(by: number): void {
    if (this.entries.length === 0) return;
    this.go((this.place + by + this.entries.length) % this.entries.length);
  }

  private go(place: number): void {
    this.place = place;
    this.body.querySelectorAll("button").forEach((button, number) => {
      button.setAttribute("aria-current", String(number === place));
      if (number === place) button.scrollIntoView({ block: "nearest" });
    });
    this.choose(this.entries[place].rows);
  }

  private extremes(name: string): Entry[] {
    const column = this.data.column(name);
    if (column === undefined) return [];
    const sign = name === "psnr" ? 1 : -1;
    const rows: number[] = [];
    column.numbers.forEach((value, row) => {
      if (!Number.isNaN(value) && this.shown[row]) rows.push(row);
    });
    rows.sort((first, second) => sign * (column.numbers[first] - column.numbers[second]));
    return rows.slice(0, LISTED).map((row) => ({ rows: [row], value: this.data.text(column, row) }));
  }

  private pairs(): Entry[] {
    const pairs = this.data.manifest.leaks?.pairs ?? [];
    return pairs
      .filter(({ first, second }) => this.shown[first] || this.shown[second])
      .map(({ first, second, difference }) => ({
        rows: [first, second],
        value: `${short(100 * difference, 2)} % apart`,
      }));
  }
}
