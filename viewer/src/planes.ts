// Images, and volumes as three planes through one place: decoded where one looks, as finely as the
// screen shows it.
import type { Header, Original } from "./data";
import type { Decoder } from "./decoder";
import { el, short, surface, themed, type Surface } from "./dom";
import { spacingOf } from "./geometry";
import { css, errorColour, type Rgb } from "./palette";
import { drawBar, drawLetters, toneOf } from "./plane_drawing";
import {
  isInside,
  nearestSlice,
  placeText,
  planesOf,
  recordedRaster,
  sampleRaster,
  seenSide,
  valueAt,
  type Plane,
  type Raster,
  type Side,
} from "./plane_layout";
import { decodeAt, resolutionText, restored, type Picture, type Shown } from "./shown";

const MOST_ZOOM = 200;
const MOST_PIXELS = 180_000;
const STAGES = [56, 160, 4096];

type Kind = "decoded" | "recorded" | "error";

interface Panel {
  plane: Plane;
  kind: Kind;
  canvas: HTMLCanvasElement;
  raster: Raster | null;
}

export class Planes implements Picture {
  private readonly grid = el("div", { class: "panels" });
  private readonly note = el("p", { class: "note" });
  private readonly readout = el("p", { class: "readout", "aria-live": "polite" });
  readonly element = el("div", { class: "planes" }, this.grid, this.readout, this.note);
  private shown: Shown | null = null;
  private panels: Panel[] = [];
  private layout = "";
  private zoom = 1;
  /** Where one looks, as shares of the axes. */
  private middle: number[];
  private asked = 0;
  private mostError = 0;

  constructor(
    private readonly decoder: Decoder,
    private readonly dim: number,
    private readonly channels: number,
  ) {
    this.middle = new Array<number>(dim).fill(0.5);
    new ResizeObserver(() => this.settle()).observe(this.element);
  }

  show(shown: Shown): void {
    this.shown = shown;
    this.settle();
  }

  redraw(): void {
    for (const panel of this.panels) this.drawPanel(panel);
  }

  /** Make the panels that this signal needs, and decode. */
  private settle(): void {
    const { shown } = this;
    if (shown === null || this.element.clientWidth === 0) return;
    const planes = planesOf(shown.header);
    const kinds: Kind[] = shown.original === null ? ["decoded"] : ["decoded", "recorded", "error"];
    const layout = JSON.stringify([planes, kinds, this.element.clientWidth]);
    if (layout !== this.layout) this.build(planes, kinds);
    this.layout = layout;
    void this.decode();
  }

  private build(planes: Plane[], kinds: Kind[]): void {
    this.panels = [];
    const boxes: HTMLElement[] = [];
    for (const kind of kinds) {
      for (const plane of planes) {
        const name = `${kind}${plane.title ? `, ${plane.title}` : ""}`;
        const canvas = el("canvas", { class: "picture", tabindex: 0, "aria-label": name });
        const panel: Panel = { plane, kind, canvas, raster: null };
        this.listen(panel);
        this.panels.push(panel);
        boxes.push(el("figure", { class: `panel ${kind}` }, canvas, el("figcaption", {}, name)));
      }
    }
    this.grid.className = `panels dim${this.dim} ${kinds.length > 1 ? "beside" : "alone"}`;
    this.grid.replaceChildren(...boxes);
  }

  private listen(panel: Panel): void {
    const { canvas } = panel;
    let last: [number, number] | null = null;
    canvas.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        this.zoomAt(panel, event.offsetX, event.offsetY, Math.exp(-event.deltaY * 0.0015));
      },
      { passive: false },
    );
    canvas.addEventListener("pointerdown", (event) => {
      last = [event.offsetX, event.offsetY];
      canvas.setPointerCapture(event.pointerId);
      if (this.dim === 3) this.lookAt(panel, event.offsetX, event.offsetY);
    });
    canvas.addEventListener("pointerup", () => (last = null));
    canvas.addEventListener("pointermove", (event) => {
      if (last !== null && this.dim === 3) this.lookAt(panel, event.offsetX, event.offsetY);
      else if (last !== null) {
        this.shift(panel, last[0] - event.offsetX, last[1] - event.offsetY);
        last = [event.offsetX, event.offsetY];
      }
      this.read(panel, event.offsetX, event.offsetY);
    });
    canvas.addEventListener("dblclick", () => this.reset());
    canvas.addEventListener("keydown", (event) => this.key(panel, event));
  }

  private key(panel: Panel, event: KeyboardEvent): void {
    const { clientWidth: width, clientHeight: height } = panel.canvas;
    const { fixed } = panel.plane;
    const step = 24;
    if (event.key === "ArrowLeft") this.shift(panel, -step, 0);
    else if (event.key === "ArrowRight") this.shift(panel, step, 0);
    else if (event.key === "ArrowUp") this.shift(panel, 0, -step);
    else if (event.key === "ArrowDown") this.shift(panel, 0, step);
    else if (event.key === "+" || event.key === "=") this.zoomAt(panel, width / 2, height / 2, 1.4);
    else if (event.key === "-") this.zoomAt(panel, width / 2, height / 2, 1 / 1.4);
    else if (event.key === "0") this.reset();
    else if (fixed >= 0 && event.key === "PageUp") this.slice(fixed, 1);
    else if (fixed >= 0 && event.key === "PageDown") this.slice(fixed, -1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private slice(axis: number, steps: number): void {
    if (this.shown === null) return;
    this.middle[axis] += steps / this.shown.header.shape[axis];
    this.moved();
  }

  private reset(): void {
    this.zoom = 1;
    this.middle.fill(0.5);
    this.moved();
  }

  private moved(): void {
    this.middle = this.middle.map((share) => Math.min(1, Math.max(0, share)));
    this.redraw();
    void this.decode();
  }

  /** Position in samples of where one looks. */
  private place(header: Header): number[] {
    return this.middle.map((share, axis) => share * header.shape[axis] - 0.5);
  }

  /** What stands in the middle of a panel: of an unzoomed volume its own middle. */
  private centre(header: Header, axis: number): number {
    const share = this.dim === 3 && this.zoom <= 1 ? 0.5 : this.middle[axis];
    return share * header.shape[axis] - 0.5;
  }

  /** CSS pixels of a unit of length. */
  private scale(panel: Panel): number {
    const { header } = this.shown as Shown;
    const { across, down } = panel.plane;
    const wide = header.shape[across] * spacingOf(header, across);
    const high = header.shape[down] * spacingOf(header, down);
    const { clientWidth: width, clientHeight: height } = panel.canvas;
    return Math.min(width / wide, height / high) * this.zoom;
  }

  private positionAt(panel: Panel, x: number, y: number): number[] {
    const { header } = this.shown as Shown;
    const { plane, canvas } = panel;
    const scale = this.scale(panel);
    const position = this.place(header);
    const across = (plane.acrossSign * (x - canvas.clientWidth / 2)) / scale;
    const down = (plane.downSign * (y - canvas.clientHeight / 2)) / scale;
    position[plane.across] = this.centre(header, plane.across) + across / spacingOf(header, plane.across);
    position[plane.down] = this.centre(header, plane.down) + down / spacingOf(header, plane.down);
    return position;
  }

  private onPanel(panel: Panel, across: number, down: number): [number, number] {
    const { header } = this.shown as Shown;
    const { plane, canvas } = panel;
    const scale = this.scale(panel);
    const right = (across - this.centre(header, plane.across)) * spacingOf(header, plane.across);
    const below = (down - this.centre(header, plane.down)) * spacingOf(header, plane.down);
    return [
      canvas.clientWidth / 2 + plane.acrossSign * right * scale,
      canvas.clientHeight / 2 + plane.downSign * below * scale,
    ];
  }

  private zoomAt(panel: Panel, x: number, y: number, factor: number): void {
    if (this.shown === null) return;
    const { header } = this.shown;
    const { across, down } = panel.plane;
    const before = this.positionAt(panel, x, y);
    this.zoom = Math.min(MOST_ZOOM, Math.max(1, this.zoom * factor));
    if (this.dim === 2) {
      const after = this.positionAt(panel, x, y);
      for (const axis of [across, down]) {
        this.middle[axis] += (before[axis] - after[axis]) / header.shape[axis];
      }
      if (this.zoom === 1) this.middle.fill(0.5);
    }
    this.moved();
  }

  private shift(panel: Panel, x: number, y: number): void {
    if (this.shown === null) return;
    const { header } = this.shown;
    const { across, down, acrossSign, downSign } = panel.plane;
    const scale = this.scale(panel);
    this.middle[across] += (acrossSign * x) / scale / spacingOf(header, across) / header.shape[across];
    this.middle[down] += (downSign * y) / scale / spacingOf(header, down) / header.shape[down];
    this.moved();
  }

  private lookAt(panel: Panel, x: number, y: number): void {
    if (this.shown === null) return;
    const { header } = this.shown;
    const position = this.positionAt(panel, x, y);
    this.middle = position.map((along, axis) => (along + 0.5) / header.shape[axis]);
    this.moved();
  }

  private read(panel: Panel, x: number, y: number): void {
    const { shown } = this;
    if (shown === null || panel.raster === null) return;
    const position = this.positionAt(panel, x, y);
    const where = placeText(shown.header, position);
    const value = valueAt(panel.raster, panel.plane, position, this.channels);
    const said = value === null ? "" : `: ${this.valueText(shown.header, panel.kind, value)}`;
    this.readout.textContent = `${where}${said}`;
  }

  private valueText(header: Header, kind: Kind, value: number[]): string {
    const numbers = value.map((part) =>
      kind === "error" ? short(part * (header.high - header.low), 3) : short(restored(header, part), 4),
    );
    return `${numbers.join(", ")}${header.unit ? ` ${header.unit}` : ""}`;
  }

  /** Decode what is seen: first coarsely, then as finely as the screen. */
  private async decode(): Promise<void> {
    const { shown } = this;
    if (shown === null) return;
    const number = ++this.asked;
    for (const panel of this.panels) {
      if (panel.kind === "recorded") {
        panel.raster = recordedRaster(panel.plane, shown, this.place(shown.header), this.channels);
      }
    }
    for (const most of STAGES) {
      const seen = this.panels.filter((panel) => panel.kind === "decoded");
      if (!(await this.fillIn(shown, seen, number, (panel) => this.seenRaster(panel, most)))) return;
      this.redraw();
      if (most === STAGES[0]) {
        const errors = this.panels.filter((panel) => panel.kind === "error");
        const ask = (panel: Panel): Raster | null => sampleRaster(panel.plane, shown.original, this.channels);
        if (!(await this.fillIn(shown, errors, number, ask))) return;
        this.subtract(errors);
        this.redraw();
      }
    }
    this.describe(shown);
  }

  private describe(shown: Shown): void {
    const panel = this.panels[0];
    const apart = this.scale(panel) * spacingOf(shown.header, panel.plane.across);
    const parts: string[] = [];
    if (this.dim === 3) parts.push(placeText(shown.header, this.place(shown.header)));
    if (this.zoom > 1) parts.push(`zoom ${this.zoom.toPrecision(2)}`);
    const finer = resolutionText(apart);
    if (finer) parts.push(finer);
    if (shown.original !== null) {
      const most = this.mostError * (shown.header.high - shown.header.low);
      parts.push(`error: blue too low, orange too high, full at ${short(most, 3)} ${shown.header.unit}`);
    }
    this.note.textContent = parts.join(" · ");
  }

  /** Decode rasters in one go; false where something newer was asked for. */
  private async fillIn(
    shown: Shown,
    panels: Panel[],
    number: number,
    ask: (panel: Panel) => Raster | null,
  ): Promise<boolean> {
    const rasters = panels.map(ask);
    const most = rasters.reduce((sum, raster) => sum + (raster ? raster.width * raster.height : 0), 0);
    const points = new Float64Array(most * this.dim);
    // Where each decoded point belongs: the number of its raster, and its pixel there.
    const owners = new Int32Array(most);
    const pixels = new Int32Array(most);
    let count = 0;
    rasters.forEach((raster, place) => {
      if (raster === null) return;
      const { plane } = panels[place];
      const position = this.place(shown.header);
      if (plane.fixed >= 0 && panels[place].kind === "error") {
        position[plane.fixed] = nearestSlice(shown.original as Original, plane.fixed, position);
      }
      for (let pixel = 0; pixel < raster.width * raster.height; pixel++) {
        position[plane.across] = raster.left + (pixel % raster.width) * raster.stepAcross;
        position[plane.down] = raster.top + Math.floor(pixel / raster.width) * raster.stepDown;
        if (!isInside(position, shown.header.shape)) continue;
        points.set(position, count * this.dim);
        owners[count] = place;
        pixels[count] = pixel;
        count += 1;
      }
    });
    if (count === 0) return true;
    const wanted = points.subarray(0, count * this.dim);
    const decoded = await decodeAt(this.decoder, shown, wanted, "pane");
    if (decoded === null || number !== this.asked) return false;
    const { channels } = this;
    for (let point = 0; point < count; point++) {
      const values = decoded.subarray(point * channels, (point + 1) * channels);
      (rasters[owners[point]] as Raster).values.set(values, pixels[point] * channels);
    }
    panels.forEach((panel, place) => (panel.raster = rasters[place]));
    return true;
  }

  /** What a panel shows of the signal, a value a pixel of the screen or coarser. */
  private seenRaster(panel: Panel, most: number): Raster | null {
    const { header } = this.shown as Shown;
    const { canvas, plane } = panel;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const pixels = canvas.clientWidth * canvas.clientHeight * ratio * ratio;
    const count = this.panels.filter((other) => other.kind === "decoded").length;
    const share = Math.min(1, Math.sqrt(MOST_PIXELS / count / pixels), most / canvas.clientWidth / ratio);
    const first = this.positionAt(panel, 0, 0);
    const last = this.positionAt(panel, canvas.clientWidth, canvas.clientHeight);
    const side = (axis: number, length: number): Side | null =>
      seenSide(first[axis], last[axis], header.shape[axis], length * ratio * share);
    const across = side(plane.across, canvas.clientWidth);
    const down = side(plane.down, canvas.clientHeight);
    if (across === null || down === null) return null;
    return {
      width: across.count,
      height: down.count,
      left: across.first,
      top: down.first,
      stepAcross: across.step,
      stepDown: down.step,
      values: new Float32Array(across.count * down.count * this.channels).fill(NaN),
    };
  }

  /** Turn decoded values of the error panels into errors. */
  private subtract(errors: Panel[]): void {
    this.mostError = 0;
    for (const panel of errors) {
      const beside = this.panels.find(
        (other) => other.kind === "recorded" && other.plane === panel.plane,
      );
      if (panel.raster === null || !beside?.raster) continue;
      const { values } = panel.raster;
      for (let place = 0; place < values.length; place++) {
        values[place] -= beside.raster.values[place];
        const size = Math.abs(values[place]);
        if (size > this.mostError) this.mostError = size;
      }
    }
  }

  private drawPanel(panel: Panel): void {
    const { shown } = this;
    if (shown === null) return;
    const { canvas, plane, raster } = panel;
    const width = (canvas.parentElement as HTMLElement).clientWidth;
    if (width === 0) return;
    const board = surface(canvas, width, this.heightOf(panel, width));
    board.pen.fillStyle = themed("empty");
    board.pen.fillRect(0, 0, board.width, board.height);
    if (raster !== null) this.drawRaster(board, panel, raster);
    if (panel.kind === "decoded") this.drawSamples(board, panel, shown.header);
    if (plane.fixed >= 0) this.drawCross(board, panel, shown.header);
    if (panel.kind === "decoded") drawBar(board, this.scale(panel), shown.header);
    drawLetters(board, plane);
  }

  private heightOf(panel: Panel, width: number): number {
    const { header } = this.shown as Shown;
    const side = (axis: number): number => header.shape[axis] * spacingOf(header, axis);
    const ratio = side(panel.plane.down) / side(panel.plane.across);
    const most = this.dim === 2 && panel.kind === "decoded" ? 420 : width * 1.25;
    return Math.round(Math.min(most, width * Math.min(1.25, Math.max(0.3, ratio))));
  }

  private drawRaster(board: Surface, panel: Panel, raster: Raster): void {
    const aside = el("canvas", { width: raster.width, height: raster.height });
    const pen = aside.getContext("2d") as CanvasRenderingContext2D;
    pen.putImageData(this.imageOf(raster, panel.kind), 0, 0);
    const { stepAcross, stepDown, left, top, width, height } = raster;
    const [x1, y1] = this.onPanel(panel, left - stepAcross / 2, top - stepDown / 2);
    const [x2, y2] = this.onPanel(panel, left + stepAcross * (width - 0.5), top + stepDown * (height - 0.5));
    board.pen.save();
    board.pen.imageSmoothingEnabled = panel.kind === "decoded";
    board.pen.translate(x1, y1);
    board.pen.scale((x2 - x1) / width, (y2 - y1) / height);
    board.pen.drawImage(aside, 0, 0);
    board.pen.restore();
  }

  private imageOf(raster: Raster, kind: Kind): ImageData {
    const image = new ImageData(raster.width, raster.height);
    const { channels } = this;
    const background: Rgb = document.documentElement.dataset.theme === "dark" ? [24, 28, 33] : [255, 255, 255];
    for (let pixel = 0; pixel < raster.width * raster.height; pixel++) {
      const own = raster.values.subarray(pixel * channels, (pixel + 1) * channels);
      if (Number.isNaN(own[0])) continue;
      const colour = kind === "error" ? this.errorOf(own, background) : toneOf(own);
      image.data.set([...colour, 255], 4 * pixel);
    }
    return image;
  }

  private errorOf(values: Float32Array, background: Rgb): Rgb {
    let sum = 0;
    for (const value of values) sum += value;
    return errorColour(sum / values.length / (this.mostError || 1), background);
  }

  /** Dots at the samples, once these lie apart: what is between them is the field's. */
  private drawSamples(board: Surface, panel: Panel, header: Header): void {
    const { across, down } = panel.plane;
    const scale = this.scale(panel);
    const apart = scale * Math.min(spacingOf(header, across), spacingOf(header, down));
    if (apart < 14) return;
    const first = this.positionAt(panel, 0, 0);
    const last = this.positionAt(panel, board.width, board.height);
    const range = (axis: number): [number, number] => [
      Math.max(0, Math.ceil(Math.min(first[axis], last[axis]))),
      Math.min(header.shape[axis] - 1, Math.floor(Math.max(first[axis], last[axis]))),
    ];
    const [left, right] = range(across);
    const [top, bottom] = range(down);
    board.pen.fillStyle = css([255, 255, 255], 0.75);
    board.pen.strokeStyle = css([0, 0, 0], 0.6);
    for (let row = top; row <= bottom; row++) {
      for (let column = left; column <= right; column++) {
        const [x, y] = this.onPanel(panel, column, row);
        board.pen.beginPath();
        board.pen.arc(x, y, 1.6, 0, 2 * Math.PI);
        board.pen.fill();
        board.pen.stroke();
      }
    }
  }

  private drawCross(board: Surface, panel: Panel, header: Header): void {
    const position = this.place(header);
    const [x, y] = this.onPanel(panel, position[panel.plane.across], position[panel.plane.down]);
    board.pen.strokeStyle = themed("accent");
    board.pen.globalAlpha = 0.7;
    board.pen.lineWidth = 1;
    board.pen.beginPath();
    board.pen.moveTo(x, 0);
    board.pen.lineTo(x, board.height);
    board.pen.moveTo(0, y);
    board.pen.lineTo(board.width, y);
    board.pen.stroke();
    board.pen.globalAlpha = 1;
  }
}
