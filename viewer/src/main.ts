// The page as a whole: what is where, and what happens when something is chosen.
import { Dataset } from "./data";
import { Decoder } from "./decoder";
import { el, fill, readable, thousands } from "./dom";
import { coloursBy, Filters } from "./filters";
import { coordinatesAt, positionOf } from "./geometry";
import { Lists } from "./lists";
import { PointMap } from "./map";
import { Marks } from "./marks";
import { packed } from "./raster";
import { Pane } from "./pane";
import { loadPart, openStore } from "./store";

const TOLERANCE = 1e-4;
const MOST_FOUND = 30;

const KEYS: [string, string][] = [
  ["/", "search by id"],
  ["m", "mark the chosen signal"],
  ["n, p", "next and previous of the list"],
  ["i", "pin the chosen signal, to go from it to another"],
  ["l", "lasso (or hold shift and drag)"],
  ["d", "density"],
  ["arrows, + − 0", "move and zoom what has the focus: map, trace, image, plane"],
  ["page up, page down", "through the slices of a plane"],
  ["Enter", "on the map: choose the signal nearest to its middle"],
  ["Esc", "let go of the lasso and the filters"],
];

class App {
  private readonly map: PointMap;
  private readonly filters: Filters;
  private readonly marks: Marks;
  private readonly lists: Lists;
  private readonly pane: Pane;
  private readonly status = el("span", { class: "status", role: "status" }, "checking…");
  private readonly count = el("span", { class: "count" });
  private readonly bar = el("div", { class: "lasso", hidden: true });
  private readonly search = el("input", {
    type: "search",
    placeholder: "Search by id",
    "aria-label": "Search by id",
    maxlength: 1024,
  });
  private readonly found = el("ul", { class: "found", hidden: true });
  private readonly tools: Record<string, HTMLButtonElement> = {};
  private readonly tabs: Record<string, HTMLButtonElement> = {};
  private selected = -1;
  private lassoed: number[] = [];
  readonly checked: Promise<number>;

  constructor(
    readonly data: Dataset,
    readonly decoder: Decoder,
    opening: Promise<void>,
  ) {
    this.marks = new Marks(data, (row) => this.choose(row), () => this.marksChanged());
    this.pane = new Pane(data, decoder, this.marks, (row) => this.choose(row), (row) => {
      this.map.ringed = row < 0 ? [] : [row];
      this.tools.pin.setAttribute("aria-pressed", String(row >= 0));
      this.map.redraw();
    });
    this.map = new PointMap(
      data,
      {
        hovered: (row) => this.hover(row),
        chosen: (row) => this.choose(row),
        lassoed: (rows) => this.lasso(rows),
      },
      (row) => this.caption(row),
    );
    this.map.marked = this.marks.rows;
    this.filters = new Filters(data, () => this.filtered());
    this.map.shown = this.filters.shown;
    this.lists = new Lists(data, this.filters.shown, (rows) => this.chooseListed(rows));
    this.build();
    this.keys();
    this.colour(data.column("label") ? "label" : (data.columns[0]?.name ?? ""));
    this.checked = opening.then(() => this.check());
    this.checked.catch((error: unknown) => this.failed(error));
  }

  private build(): void {
    const { manifest } = this.data;
    const colours = el("select", { "aria-label": "Colour by" });
    for (const column of this.data.columns) {
      colours.append(el("option", { value: column.name }, readable(column.title)));
    }
    colours.append(el("option", { value: "" }, "one colour"));
    colours.value = this.data.column("label") ? "label" : colours.value;
    colours.addEventListener("change", () => this.colour(colours.value));
    const head = el(
      "header",
      {},
      el("h1", {}, readable(manifest.source)),
      this.count,
      el("div", { class: "search" }, this.search, this.found),
      el("label", { class: "colour" }, "Colour ", colours),
      this.tool("density", "Density", () => this.density()),
      this.tool("lasso", "Lasso", () => this.lassoTool()),
      this.tool("pin", "Pin", () => this.pane.pin()),
      this.tool("theme", "Dark", () => this.theme()),
      this.status,
    );
    const views: Record<string, [string, HTMLElement]> = {
      neighbours: ["Neighbours", this.pane.neighbours],
      lists: ["Lists", this.lists.element],
      details: ["Details", this.pane.details],
      marks: ["Marks", this.marks.element],
      about: ["About", this.about()],
    };
    const side = el(
      "aside",
      {},
      this.pane.element,
      this.pane.opinion,
      this.tabList(views),
      ...Object.values(views).map(([, element]) => element),
    );
    this.tab("neighbours", views);
    const clear = el("button", { type: "button", onclick: () => this.letGo() }, "Clear filters");
    const left = el("nav", { "aria-label": "Filters" }, el("p", { class: "row" }, clear), this.filters.element);
    const middle = el("main", {}, this.map.element, this.bar);
    fill(document.getElementById("app") as HTMLElement, head, left, middle, side);
    document.title = `${readable(manifest.source)} – MedFuncta`;
    this.search.addEventListener("input", () => this.find());
    this.search.addEventListener("keydown", (event) => this.searchKey(event));
    this.search.addEventListener("blur", () => setTimeout(() => (this.found.hidden = true), 200));
    this.themed();
  }

  private tool(name: string, title: string, act: () => void): HTMLButtonElement {
    const button = el("button", { type: "button", class: "tool", "aria-pressed": "false", onclick: act }, title);
    this.tools[name] = button;
    return button;
  }

  private tabList(views: Record<string, [string, HTMLElement]>): HTMLElement {
    const list = el("div", { class: "tabs", role: "tablist" });
    for (const [name, [title]] of Object.entries(views)) {
      const act = (): void => this.tab(name, views);
      const button = el("button", { type: "button", role: "tab", onclick: act }, title);
      this.tabs[name] = button;
      list.append(button);
    }
    return list;
  }

  private tab(chosen: string, views: Record<string, [string, HTMLElement]>): void {
    for (const [name, [, element]] of Object.entries(views)) {
      element.hidden = name !== chosen;
      this.tabs[name].setAttribute("aria-selected", String(name === chosen));
    }
  }

  private about(): HTMLElement {
    const { manifest } = this.data;
    const splits = Object.entries(manifest.splits).map(([name, count]) => `${name} ${thousands(count)}`);
    const { originals } = manifest;
    const held = [
      `the latents of ${thousands(manifest.signals)} signals, ${manifest.latent_size} numbers each`,
      "the field that decodes them",
      `of each signal: ${["id", ...this.data.columns.map((column) => column.title)].join(", ")}, and its metadata`,
      originals === null
        ? "no recorded signal"
        : `${thousands(originals.signals)} recorded signals (${originals.detail})`,
    ];
    const facts: [string, string][] = [
      ["source", manifest.source],
      ["licence", manifest.licence],
      ["citation", manifest.citation],
      ["splits of the set", splits.join(", ")],
      ["signals left out of this page", thousands(manifest.left_out)],
      ["field", `${manifest.field_kind}, ${manifest.fingerprint.slice(0, 12)}`],
    ];
    const list = el("dl");
    for (const [name, value] of facts) {
      if (value) list.append(el("dt", {}, name), el("dd", {}, readable(value)));
    }
    const keys = el("dl", { class: "keys" });
    for (const [key, act] of KEYS) keys.append(el("dt", {}, el("kbd", {}, key)), el("dd", {}, act));
    return el(
      "div",
      { class: "about" },
      el("p", {}, "This page asks no other host for anything, and sends nothing. It holds:"),
      el("ul", {}, ...held.map((line) => el("li", {}, readable(line)))),
      list,
      el("h3", {}, "Keys"),
      keys,
    );
  }

  private caption(row: number): string {
    const parts = [this.data.ids[row]];
    for (const name of ["label", "split", "psnr"]) {
      const column = this.data.column(name);
      const text = column ? this.data.text(column, row) : "";
      if (text) parts.push(text);
    }
    return readable(parts.join(" · "));
  }

  private hover(row: number): void {
    const wanted = row >= 0 ? row : this.selected;
    if (wanted >= 0) void this.pane.show(wanted, false);
  }

  choose(row: number): void {
    this.selected = row;
    this.map.selected = row;
    this.map.reveal(row);
    void this.pane.show(row, true);
  }

  private chooseListed(rows: number[]): void {
    this.map.ringed = rows.slice(1);
    this.choose(rows[0]);
  }

  private marksChanged(): void {
    this.map.marked = this.marks.rows;
    this.map.redraw();
  }

  private coloured = "";

  private colour(name: string): void {
    this.coloured = name;
    const column = this.data.column(name) ?? null;
    coloursBy(this.data, column).forEach((colour, row) => (this.map.colours[row] = packed(colour)));
    this.filters.colourBy(column);
    this.map.redraw();
  }

  private filtered(): void {
    if (this.filters === undefined) return;
    let left = 0;
    for (const kept of this.filters.shown) left += kept;
    const all = this.data.ids.length;
    this.count.textContent =
      left === all ? `${thousands(all)} signals` : `${thousands(left)} of ${thousands(all)} signals`;
    this.lists?.list();
    this.map.redraw();
  }

  private density(): void {
    this.map.density = !this.map.density;
    this.tools.density.setAttribute("aria-pressed", String(this.map.density));
    this.map.redraw();
  }

  private lassoTool(): void {
    this.map.lassoing = !this.map.lassoing;
    this.map.element.classList.toggle("lassoing", this.map.lassoing);
    this.tools.lasso.setAttribute("aria-pressed", String(this.map.lassoing));
  }

  private lasso(rows: number[]): void {
    this.lassoed = rows;
    this.bar.hidden = rows.length === 0;
    if (rows.length === 0) return;
    const act = (title: string, what: () => void): HTMLElement =>
      el("button", { type: "button", onclick: what }, title);
    fill(
      this.bar,
      el("span", {}, `${thousands(rows.length)} signals in the lasso`),
      act("Mean", () => void this.pane.showMean(this.lassoed)),
      act("Keep only these", () => this.filters.keepOnly(this.lassoed)),
      act("Mark all", () => this.marks.markAll(this.lassoed)),
      act("Let go", () => this.lasso([])),
    );
  }

  private letGo(): void {
    this.lasso([]);
    this.filters.clear();
  }

  private theme(): void {
    const root = document.documentElement;
    root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
    this.themed();
    this.colour(this.coloured);
  }

  private themed(): void {
    const dark = document.documentElement.dataset.theme === "dark";
    this.tools.theme.setAttribute("aria-pressed", String(dark));
    this.map.redraw();
    this.filters.redraw();
    this.pane.redraw();
  }

  private find(): void {
    const wanted = this.search.value.trim().toLowerCase();
    this.found.hidden = wanted === "";
    if (wanted === "") return;
    const rows: number[] = [];
    for (let row = 0; row < this.data.ids.length && rows.length < MOST_FOUND; row++) {
      if (this.data.ids[row].toLowerCase().includes(wanted)) rows.push(row);
    }
    const exact = this.data.ids.findIndex((id) => id.toLowerCase() === wanted);
    if (exact >= 0 && !rows.includes(exact)) rows.unshift(exact);
    if (exact >= 0) rows.sort((first, second) => Number(second === exact) - Number(first === exact));
    const items = rows.map((row) =>
      el(
        "li",
        {},
        el("button", { type: "button", onclick: () => this.take(row) }, readable(this.data.ids[row])),
      ),
    );
    fill(this.found, ...(items.length ? items : [el("li", { class: "note" }, "no such id")]));
  }

  private take(row: number): void {
    this.found.hidden = true;
    this.choose(row);
  }

  private searchKey(event: KeyboardEvent): void {
    if (event.key === "Enter") this.found.querySelector("button")?.click();
    if (event.key === "ArrowDown") this.found.querySelector("button")?.focus();
    if (event.key === "Escape") this.search.blur();
    event.stopPropagation();
  }

  private keys(): void {
    const acts: Record<string, () => void> = {
      "/": () => this.search.focus(),
      m: () => this.selected >= 0 && this.pane.toggleMark(this.selected),
      n: () => this.lists.step(1),
      p: () => this.lists.step(-1),
      i: () => this.pane.pin(),
      l: () => this.lassoTool(),
      d: () => this.density(),
      Escape: () => this.letGo(),
    };
    document.addEventListener("keydown", (event) => {
      const target = event.target as HTMLElement;
      const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
      const act = acts[event.key];
      if (typing || act === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
      event.preventDefault();
      act();
    });
  }

  /** Decode the first signal and compare it with what Python decoded; the largest difference. */
  private async check(): Promise<number> {
    const { row, step } = this.data.manifest.check;
    const stored = new Float32Array((await loadPart("check")).slice().buffer);
    const decoded = await this.decode(row, step);
    let most = decoded.length === stored.length ? 0 : Infinity;
    stored.forEach((value, place) => {
      const away = Math.abs(value - decoded[place]);
      if (!(away <= most)) most = away;
    });
    const well = most <= TOLERANCE;
    const digits = most.toExponential(1);
    this.status.className = `status ${well ? "well" : "ill"}`;
    this.status.textContent = well
      ? "decodes as Python does"
      : `decodes otherwise than Python does: off by ${digits}; do not trust what you see`;
    this.status.title = `largest difference ${digits} of the range, on ${stored.length} values`;
    return most;
  }

  /** Values in [0, 1] of a signal at its own samples, or at every `step`th of them. */
  async decode(row: number, step = 1): Promise<Float32Array> {
    const { latent, header } = await this.data.row(row);
    const all = header.shape.reduce((product, side) => product * side, 1);
    const positions: number[] = [];
    for (let sample = 0; sample < all; sample += step) positions.push(...positionOf(sample, header.shape));
    return this.decoder.decode(latent, coordinatesAt(header, Float64Array.from(positions)));
  }

  private failed(error: unknown): void {
    this.status.className = "status ill";
    const said = error instanceof Error ? error.message : String(error);
    this.status.textContent = `signals cannot be decoded here: ${said}`;
  }

  /** Where a signal is on the page. */
  place(row: number): [number, number] {
    return this.map.pageplace(row);
  }
}

async function start(): Promise<void> {
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  const app = document.getElementById("app") as HTMLElement;
  const waiting = el("p", { class: "waiting" }, "Reading…");
  fill(app, waiting);
  try {
    await openStore();
    const data = await Dataset.open((done, all) => {
      waiting.textContent = `Reading ${thousands(done)} of ${thousands(all)} signals…`;
    });
    const decoder = new Decoder();
    const opening = decoder.open(data.manifest.dim, data.manifest.channels);
    const made = new App(data, decoder, opening);
    const mapped = performance.now();
    // For who looks closer, in the browser's console or in a test.
    Object.assign(window, {
      medfunctaView: {
        checked: made.checked,
        milliseconds: { map: mapped }, // since the page was asked for
        decode: (row: number, step?: number) => made.decode(row, step),
        lastDecoding: () => decoder.lastMilliseconds,
        place: (row: number) => made.place(row),
        ids: data.ids,
      },
    });
    if (data.ids.length > 0) made.choose(0);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    fill(app, el("p", { class: "problem", role: "alert" }, `This page cannot be shown: ${said}`));
  }
}

void start();
