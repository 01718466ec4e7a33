// What a person thinks of signals: marks, notes and other labels, kept in this browser and taken along
// as a table by id.
import { parquetWriteBuffer } from "hyparquet-writer";
import type { Dataset } from "./data";
import { el, readable, save } from "./dom";
import type { KeptMark } from "./orders";
import { notebook } from "./store";

export interface Mark {
  marked: boolean;
  note: string;
  label: string;
}

const ascending = (first: number, second: number): number => first - second;

const EMPTY: Mark = { marked: false, note: "", label: "" };
const HEADINGS = ["id", "split", "label", "marked", "new_label", "note"];

export class Marks {
  readonly element = el("div", { class: "marks" });
  private readonly marks = new Map<number, Mark>();
  private readonly key: string;

  constructor(
    private readonly data: Dataset,
    private readonly choose: (row: number) => void,
    private readonly changed: () => void,
  ) {
    this.key = `medfuncta-marks-${data.manifest.fingerprint}-${data.manifest.source}`;
    this.restore();
    this.list();
  }

  of(row: number): Mark {
    return this.marks.get(row) ?? EMPTY;
  }

  get rows(): ReadonlySet<number> {
    return new Set(this.marks.keys());
  }

  change(row: number, change: Partial<Mark>): void {
    const mark = { ...this.of(row), ...change };
    if (mark.marked || mark.note || mark.label) this.marks.set(row, mark);
    else this.marks.delete(row);
    this.keep();
    this.list();
    this.changed();
  }

  markAll(rows: number[]): void {
    for (const row of rows) this.marks.set(row, { ...this.of(row), marked: true });
    this.keep();
    this.list();
    this.changed();
  }

  private keep(): void {
    const host = notebook();
    if (host !== null) return host.keep([...this.marks.keys()].sort(ascending).map((row) => this.kept(row)));
    const entries = [...this.marks].map(([row, mark]) => [this.name(row), mark]);
    try {
      localStorage.setItem(this.key, JSON.stringify(entries));
    } catch {
      // A browser may refuse to keep anything; marks then last as long as the page.
    }
  }

  /** What tells a signal from the others, whatever else changes: its split and id. */
  private name(row: number): string {
    const [id, split] = this.facts(row);
    return JSON.stringify([split, id]);
  }

  /** The id, split and class of a signal. */
  private facts(row: number): [string, string, string] {
    const split = this.data.column("split");
    const label = this.data.column("label");
    return [
      this.data.ids[row],
      split ? this.data.text(split, row) : "",
      label ? this.data.text(label, row) : "",
    ];
  }

  /** A mark as a notebook has it. */
  private kept(row: number): KeptMark {
    const [id, split, label] = this.facts(row);
    const mark = this.of(row);
    return { id, split, label, marked: mark.marked, new_label: mark.label, note: mark.note };
  }

  private restoreFrom(kept: KeptMark[]): void {
    const known = new Map(kept.map((mark) => [JSON.stringify([mark.split, mark.id]), mark]));
    if (known.size === 0) return;
    for (let row = 0; row < this.data.ids.length; row++) {
      const mark = known.get(this.name(row));
      if (mark === undefined) continue;
      const { marked, note, new_label } = mark;
      this.marks.set(row, { marked: Boolean(marked), note: String(note), label: String(new_label) });
    }
  }

  private restore(): void {
    const host = notebook();
    if (host !== null) return this.restoreFrom(host.marks);
    let entries: unknown;
    try {
      entries = JSON.parse(localStorage.getItem(this.key) ?? "[]");
    } catch {
      return;
    }
    if (!Array.isArray(entries) || entries.length === 0) return;
    const known = new Map<string, Mark>();
    for (const [name, mark] of entries as [string, Mark][]) {
      known.set(name, {
        marked: Boolean(mark.marked),
        note: String(mark.note),
        label: String(mark.label),
      });
    }
    for (let row = 0; row < this.data.ids.length; row++) {
      const mark = known.get(this.name(row));
      if (mark !== undefined) this.marks.set(row, mark);
    }
  }

  private list(): void {
    const save_as = (name: string, act: () => void): HTMLElement =>
      el("button", { type: "button", disabled: this.marks.size === 0, onclick: act }, name);
    const head = el(
      "p",
      { class: "row" },
      save_as("Save as CSV", () => this.saveCsv()),
      save_as("Save as Parquet", () => this.saveParquet()),
    );
    if (this.marks.size === 0) {
      const how = "Nothing is marked. Press m on a signal, or write a note or another label.";
      this.element.replaceChildren(head, el("p", { class: "note" }, how));
      return;
    }
    const rows = [...this.marks.keys()].sort(ascending);
    const list = el("ul", { class: "hits" });
    for (const row of rows.slice(0, 500)) {
      const { note, label } = this.of(row);
      const said = [label && `→ ${label}`, note].filter(Boolean).join(" · ");
      list.append(
        el(
          "li",
          {},
          el(
            "button",
            { type: "button", onclick: () => this.choose(row) },
            el("span", { class: "name" }, readable(this.data.ids[row])),
            el("span", { class: "number" }, readable(said)),
          ),
        ),
      );
    }
    const where = notebook() === null ? "they stay in this browser until saved" : "the widget's marks in Python";
    const count = `${rows.length} marked; ${where}`;
    this.element.replaceChildren(head, el("p", { class: "note" }, count), list);
  }

  private table(): string[][] {
    return [...this.marks.keys()].sort(ascending).map((row) => {
      const mark = this.of(row);
      return [...this.facts(row), mark.marked ? "yes" : "no", mark.label, mark.note];
    });
  }

  private saveCsv(): void {
    const lines = [HEADINGS, ...this.table()].map((cells) => cells.map(cell).join(","));
    save("marks.csv", `${lines.join("\r\n")}\r\n`, "text/csv");
  }

  private saveParquet(): void {
    const table = this.table();
    const columnData = HEADINGS.map((name, place) => ({
      name,
      data: table.map((row) => row[place]),
      type: "STRING" as const,
    }));
    save("marks.parquet", parquetWriteBuffer({ columnData }), "application/vnd.apache.parquet");
  }
}

/** A text as a cell of CSV. What a table program would take for a formula begins with an apostrophe,
 * as these programs write it themselves. */
export function cell(text: string): string {
  const harmless = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
