// The pane of one signal: its picture, what is known of it, its neighbours, and what one thinks of it.
import type { Dataset, Header, Row } from "./data";
import type { Decoder } from "./decoder";
import { el, fill, readable, short, thousands } from "./dom";
import type { Marks } from "./marks";
import { Planes } from "./planes";
import type { Picture, Shown } from "./shown";
import { Traces } from "./traces";

const MOST_IN_A_MEAN = 2000;

export class Pane {
  private readonly title = el("h2", {}, "No signal");
  private readonly chips = el("p", { class: "chips" });
  private readonly between = el("div", { class: "between", hidden: true });
  private readonly picture: Picture;
  private readonly problem = el("p", { class: "problem", role: "alert", hidden: true });
  readonly element: HTMLElement;
  readonly details = el("div", { class: "details" });
  readonly neighbours = el("div", { class: "neighbours" });
  readonly opinion = el("div", { class: "opinion" });
  private asked = 0;
  private row = -1;
  private pinned = -1;
  private share = 1;

  constructor(
    private readonly data: Dataset,
    decoder: Decoder,
    private readonly marks: Marks,
    private readonly choose: (row: number) => void,
    private readonly pinChanged: (row: number) => void,
  ) {
    const { dim, channels } = data.manifest;
    this.picture = dim === 1 ? new Traces(decoder, channels) : new Planes(decoder, dim, channels);
    this.element = el(
      "section",
      { class: "pane", "aria-label": "Signal" },
      this.title,
      this.chips,
      this.between,
      this.problem,
      this.picture.element,
    );
  }

  redraw(): void {
    this.picture.redraw();
  }

  /** Show a signal; `lasting` when it was chosen rather than pointed at. */
  async show(row: number, lasting: boolean): Promise<void> {
    const asked = ++this.asked;
    try {
      const [own, original] = await Promise.all([this.data.row(row), this.data.original(row)]);
      if (asked !== this.asked) return;
      this.row = row;
      this.title.textContent = readable(this.data.ids[row]);
      this.tell(row, own.header);
      this.picture.show({ latent: own.latent, header: own.header, original });
      this.problem.hidden = true;
      if (lasting) {
        this.share = 1;
        this.listNeighbours(own);
        this.tellDetails(row, own);
        this.ask(row);
        this.offerBetween();
      }
    } catch (error) {
      this.complain(error);
    }
  }

  private complain(error: unknown): void {
    this.problem.textContent = error instanceof Error ? error.message : String(error);
    this.problem.hidden = false;
  }

  private tell(row: number, header: Header): void {
    const chips: Node[] = [];
    for (const name of ["split", "label", "psnr"]) {
      const column = this.data.column(name);
      const text = column ? this.data.text(column, row) : "";
      if (text) chips.push(el("span", { class: "chip" }, readable(text)));
    }
    const unit = header.unit ? `, ${readable(header.unit)}` : "";
    chips.push(el("span", { class: "chip plain" }, `${header.shape.join(" × ")} samples${unit}`));
    fill(this.chips, ...chips);
  }

  /** Hold the signal that is shown, to go from it to others. */
  pin(): void {
    this.pinned = this.pinned === this.row ? -1 : this.row;
    this.pinChanged(this.pinned);
    this.offerBetween();
  }

  private offerBetween(): void {
    const { pinned, row } = this;
    this.between.hidden = pinned < 0;
    if (pinned < 0) return;
    if (pinned === row) {
      fill(this.between, el("p", { class: "note" }, "Pinned. Choose another signal to go there."));
      return;
    }
    const slider = el("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.01,
      value: this.share,
      "aria-label": "From the pinned signal to this one",
    });
    slider.addEventListener("input", () => void this.mix(pinned, row, Number(slider.value)));
    fill(
      this.between,
      el("span", { class: "end" }, readable(this.data.ids[pinned])),
      slider,
      el("span", { class: "end" }, readable(this.data.ids[row])),
    );
  }

  /** Show what lies on the straight line between the latents of two signals. */
  private async mix(first: number, second: number, share: number): Promise<void> {
    this.share = share;
    const asked = ++this.asked;
    try {
      const [from, to] = await Promise.all([this.data.row(first), this.data.row(second)]);
      if (asked !== this.asked) return;
      this.picture.show(await this.mixed(from, to, share, second));
      const where = share === 1 ? "" : `${Math.round(100 * share)} % of the way to `;
      this.title.textContent = where + readable(this.data.ids[second]);
    } catch (error) {
      this.complain(error);
    }
  }

  private async mixed(from: Row, to: Row, share: number, second: number): Promise<Shown> {
    const between = (first: number, last: number): number => first + share * (last - first);
    const original = share === 1 ? await this.data.original(second) : null;
    return {
      latent: to.latent.map((value, place) => between(from.latent[place], value)),
      header: {
        ...to.header,
        low: between(from.header.low, to.header.low),
        high: between(from.header.high, to.header.high),
      },
      original,
    };
  }

  /** Show what the mean of the latents of signals decodes to. */
  async showMean(rows: number[]): Promise<void> {
    const asked = ++this.asked;
    const step = Math.max(1, Math.ceil(rows.length / MOST_IN_A_MEAN));
    const taken = rows.filter((_, place) => place % step === 0).sort((a, b) => a - b);
    const sum = new Float64Array(this.data.manifest.latent_size);
    let low = 0;
    let high = 0;
    let header: Header | null = null;
    try {
      for (const row of taken) {
        const own = await this.data.row(row);
        if (asked !== this.asked) return;
        own.latent.forEach((value, place) => (sum[place] += value));
        low += own.header.low;
        high += own.header.high;
        header ??= own.header;
      }
      if (header === null) return;
      const count = taken.length;
      const latent = Float32Array.from(sum, (value) => value / count);
      const mean = { ...header, low: low / count, high: high / count };
      const among = step > 1 ? ` (${thousands(count)} of them)` : "";
      this.title.textContent = `Mean of ${thousands(rows.length)} signals${among}`;
      fill(this.chips, el("span", { class: "chip plain" }, mean.shape.join(" × ")));
      this.picture.show({ latent, header: mean, original: null });
    } catch (error) {
      this.complain(error);
    }
  }

  private listNeighbours(own: Row): void {
    const label = this.data.column("label") ?? this.data.column("split");
    const items = own.neighbours.map(({ row, distance }) =>
      el(
        "li",
        {},
        el(
          "button",
          { type: "button", onclick: () => this.choose(row) },
          el("span", { class: "name" }, readable(this.data.ids[row])),
          el("span", { class: "class" }, label ? readable(this.data.text(label, row)) : ""),
          el("span", { class: "number" }, short(distance, 3)),
        ),
      ),
    );
    const how = el("p", { class: "note" }, "Nearest latents, by 1 − cosine similarity.");
    fill(this.neighbours, how, el("ol", { class: "hits" }, ...items));
  }

  private tellDetails(row: number, own: Row): void {
    const facts: [string, string][] = [];
    for (const column of this.data.columns) {
      const text = this.data.text(column, row);
      if (text) facts.push([column.title, text]);
    }
    for (const [name, value] of Object.entries(own.header.metadata)) {
      if (!this.data.columns.some((column) => column.title === name)) facts.push([name, String(value)]);
    }
    const { spacing, spacingUnit, low, high, unit } = own.header;
    facts.push(["shape", own.header.shape.join(" × ")]);
    if (spacing !== null) {
      facts.push(["spacing", `${spacing.map((step) => short(step)).join(" × ")} ${spacingUnit}`]);
    }
    facts.push(["range", `${short(low)} to ${short(high)} ${unit}`]);
    const list = el("dl");
    for (const [name, value] of facts) {
      list.append(el("dt", {}, readable(name)), el("dd", {}, readable(value)));
    }
    fill(this.details, list);
  }

  /** What one thinks of a signal. */
  private ask(row: number): void {
    const mark = this.marks.of(row);
    const box = el("input", { type: "checkbox", checked: mark.marked });
    box.addEventListener("change", () => this.marks.change(row, { marked: box.checked }));
    const note = el("input", { type: "text", value: mark.note, maxlength: 2000 });
    note.addEventListener("change", () => this.marks.change(row, { note: note.value.trim() }));
    const label = el("input", { type: "text", value: mark.label, list: "labels", maxlength: 256 });
    label.addEventListener("change", () => this.marks.change(row, { label: label.value.trim() }));
    const known = el("datalist", { id: "labels" });
    for (const name of this.data.manifest.label_names) known.append(el("option", { value: name }));
    fill(
      this.opinion,
      el("label", { class: "check" }, box, "Marked"),
      el("label", {}, "Another label ", label),
      el("label", { class: "wide" }, "Note ", note),
      known,
    );
  }

  /** Mark or unmark the signal that was chosen. */
  toggleMark(row: number): void {
    this.marks.change(row, { marked: !this.marks.of(row).marked });
    this.ask(row);
  }
}
