// The map: all signals as points, with zoom, density, a lasso, and what lies under the pointer.
import type { Dataset } from "./data";
import { el, surface, themed, type Surface } from "./dom";
import { Nearby } from "./nearby";
import { css, UNKNOWN, type Rgb } from "./palette";
import { densityImage, packed, press, roundStamp } from "./raster";

export interface MapEvents {
  /** The pointer is over a signal, or over none (-1). */
  hovered(row: number): void;
  chosen(row: number): void;
  lassoed(rows: number[]): void;
}

const REACH = 14;
const DENSITY_CELL = 3;
const MOST_ZOOM = 4000;

export class PointMap {
  readonly element = el("div", {
    class: "map",
    tabindex: 0,
    role: "application",
    "aria-label": "Map of signals. Arrows move, plus and minus zoom, 0 shows all.",
  });
  private readonly points = el("canvas", { "aria-hidden": "true" });
  private readonly over = el("canvas", { "aria-hidden": "true" });
  private readonly tip = el("div", { class: "tip", hidden: true });
  private readonly unitX: Float32Array;
  private readonly unitY: Float32Array;
  private readonly nearby: Nearby;
  private middle = [0.5, 0.5];
  private zoom = 1;
  private size = [10, 10];
  private drawn = false;
  private dragged: { x: number; y: number; moved: boolean } | null = null;
  private lasso: number[][] | null = null;
  private hover = -1;

  shown: Uint8Array;
  colours: Uint32Array;
  density = false;
  lassoing = false;
  selected = -1;
  ringed: number[] = [];
  marked: ReadonlySet<number> = new Set();

  constructor(
    private readonly data: Dataset,
    private readonly events: MapEvents,
    private readonly caption: (row: number) => string,
  ) {
    const count = data.ids.length;
    this.shown = new Uint8Array(count).fill(1);
    this.colours = new Uint32Array(count);
    [this.unitX, this.unitY] = unitPlaces(data.x, data.y);
    this.nearby = new Nearby(this.unitX, this.unitY);
    const { horizontal, vertical } = data.manifest.axes;
    const across = el("div", { class: "axis across" }, horizontal);
    const up = el("div", { class: "axis up" }, vertical);
    this.element.append(this.points, this.over, across, up, this.tip);
    this.listen();
    new ResizeObserver(() => this.resize()).observe(this.element);
  }

  private listen(): void {
    const area = this.element;
    area.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    area.addEventListener("pointerdown", (event) => this.down(event));
    area.addEventListener("pointermove", (event) => this.move(event));
    area.addEventListener("pointerup", (event) => this.up(event));
    area.addEventListener("pointerleave", () => this.point(-1, 0, 0));
    area.addEventListener("dblclick", () => this.showAll());
    area.addEventListener("keydown", (event) => this.key(event));
  }

  private resize(): void {
    this.size = [this.element.clientWidth, this.element.clientHeight];
    this.redraw();
  }

  showAll(): void {
    this.middle = [0.5, 0.5];
    this.zoom = 1;
    this.redraw();
  }

  /** Move so that a signal is seen. */
  reveal(row: number): void {
    if (this.element.clientWidth === 0 || this.size[0] <= 10) return this.redraw();
    const [x, y] = this.onScreen(row);
    const inside = x > 20 && y > 20 && x < this.size[0] - 20 && y < this.size[1] - 20;
    if (!inside) this.middle = [this.unitX[row], this.unitY[row]];
    this.redraw();
  }

  private get scale(): number {
    return Math.max(10, Math.min(this.size[0], this.size[1]) - 56) * this.zoom;
  }

  private onScreen(row: number): [number, number] {
    return [
      (this.unitX[row] - this.middle[0]) * this.scale + this.size[0] / 2,
      (this.unitY[row] - this.middle[1]) * this.scale + this.size[1] / 2,
    ];
  }

  private inUnits(x: number, y: number): [number, number] {
    return [
      (x - this.size[0] / 2) / this.scale + this.middle[0],
      (y - this.size[1] / 2) / this.scale + this.middle[1],
    ];
  }

  /** Draw again with the next picture of the screen. */
  redraw(): void {
    if (this.drawn) return;
    this.drawn = true;
    requestAnimationFrame(() => {
      this.drawn = false;
      this.draw();
      this.drawOver();
    });
  }

  private draw(): void {
    const board = surface(this.points, this.size[0], this.size[1]);
    const { width, height } = board.canvas;
    board.pen.clearRect(0, 0, this.size[0], this.size[1]);
    if (this.density) this.drawDensity(board);
    const image = new ImageData(width, height);
    const count = this.data.ids.length;
    const room = Math.sqrt((this.size[0] * this.size[1]) / Math.max(1, count));
    const radius = Math.min(5, Math.max(1.2, 0.2 * room)) * Math.min(2, this.zoom ** 0.3);
    const stamp = roundStamp(radius * board.ratio);
    const alpha = count > 20_000 ? 0.6 : 0.85;
    const scale = this.scale * board.ratio;
    const left = width / 2 - this.middle[0] * scale;
    const top = height / 2 - this.middle[1] * scale;
    const faint = packed(UNKNOWN);
    for (const pass of [0, 1]) {
      for (let row = 0; row < count; row++) {
        if (this.shown[row] !== pass) continue;
        const x = this.unitX[row] * scale + left;
        const y = this.unitY[row] * scale + top;
        const colour = pass ? this.colours[row] : faint;
        press(image.data, width, height, stamp, x, y, colour, pass ? alpha : 0.12);
      }
    }
    if (this.density) this.overlay(board, image);
    else board.pen.putImageData(image, 0, 0);
  }

  /** Put points over what is drawn already. */
  private overlay(board: Surface, image: ImageData): void {
    const aside = el("canvas", { width: image.width, height: image.height });
    (aside.getContext("2d") as CanvasRenderingContext2D).putImageData(image, 0, 0);
    board.pen.drawImage(aside, 0, 0, this.size[0], this.size[1]);
  }

  private drawDensity(board: Surface): void {
    const width = Math.ceil(this.size[0] / DENSITY_CELL);
    const height = Math.ceil(this.size[1] / DENSITY_CELL);
    const across = new Float32Array(this.data.ids.length);
    const down = new Float32Array(this.data.ids.length);
    for (let row = 0; row < across.length; row++) {
      const [x, y] = this.onScreen(row);
      across[row] = x / DENSITY_CELL;
      down[row] = y / DENSITY_CELL;
    }
    const tone: Rgb = document.documentElement.dataset.theme === "dark" ? [120, 160, 200] : [90, 120, 150];
    const image = densityImage(across, down, this.shown, width, height, tone);
    const aside = el("canvas", { width, height });
    (aside.getContext("2d") as CanvasRenderingContext2D).putImageData(image, 0, 0);
    board.pen.imageSmoothingEnabled = true;
    board.pen.drawImage(aside, 0, 0, width * DENSITY_CELL, height * DENSITY_CELL);
  }

  /** Rings, the lasso and what is under the pointer, which change with every move. */
  private drawOver(): void {
    const { pen } = surface(this.over, this.size[0], this.size[1]);
    pen.clearRect(0, 0, this.size[0], this.size[1]);
    const ink = themed("ink");
    const accent = themed("accent");
    for (const row of this.marked) this.ring(pen, row, 6, css([213, 94, 0]), 1.5);
    for (const row of this.ringed) this.ring(pen, row, 6, ink, 1);
    if (this.selected >= 0) this.ring(pen, this.selected, 8, accent, 3);
    if (this.hover >= 0) this.ring(pen, this.hover, 7, ink, 2);
    if (this.lasso !== null && this.lasso.length > 1) {
      pen.beginPath();
      this.lasso.forEach(([x, y], place) => (place ? pen.lineTo(x, y) : pen.moveTo(x, y)));
      pen.closePath();
      pen.globalAlpha = 0.15;
      pen.fillStyle = accent;
      pen.fill();
      pen.globalAlpha = 1;
      pen.strokeStyle = accent;
      pen.lineWidth = 1.5;
      pen.stroke();
    }
  }

  private ring(
    pen: CanvasRenderingContext2D,
    row: number,
    radius: number,
    colour: string,
    width: number,
  ): void {
    const [x, y] = this.onScreen(row);
    pen.beginPath();
    pen.arc(x, y, radius, 0, 2 * Math.PI);
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.stroke();
  }

  private placeOf(event: MouseEvent): [number, number] {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  private zoomAt(x: number, y: number, factor: number): void {
    const [unitX, unitY] = this.inUnits(x, y);
    this.zoom = Math.min(MOST_ZOOM, Math.max(0.5, this.zoom * factor));
    const [nowX, nowY] = this.inUnits(x, y);
    this.middle[0] += unitX - nowX;
    this.middle[1] += unitY - nowY;
    this.redraw();
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const [x, y] = this.placeOf(event);
    this.zoomAt(x, y, Math.exp(-event.deltaY * 0.0015));
  }

  private down(event: PointerEvent): void {
    if (event.button !== 0) return;
    this.element.setPointerCapture(event.pointerId);
    const [x, y] = this.placeOf(event);
    if (this.lassoing || event.shiftKey) this.lasso = [[x, y]];
    else this.dragged = { x, y, moved: false };
  }

  private move(event: PointerEvent): void {
    const [x, y] = this.placeOf(event);
    if (this.lasso !== null) {
      this.lasso.push([x, y]);
      this.drawOver();
      return;
    }
    if (this.dragged !== null) {
      const { x: fromX, y: fromY } = this.dragged;
      if (!this.dragged.moved && Math.hypot(x - fromX, y - fromY) < 4) return;
      this.middle[0] -= (x - fromX) / this.scale;
      this.middle[1] -= (y - fromY) / this.scale;
      this.dragged = { x, y, moved: true };
      this.point(-1, x, y);
      this.redraw();
      return;
    }
    const [unitX, unitY] = this.inUnits(x, y);
    this.point(this.nearby.find(unitX, unitY, REACH / this.scale, this.shown), x, y);
  }

  private up(event: PointerEvent): void {
    const [x, y] = this.placeOf(event);
    if (this.lasso !== null) {
      const around = this.lasso.map(([left, top]) => this.inUnits(left, top));
      this.lasso = null;
      this.drawOver();
      this.events.lassoed(this.inside(around));
    } else if (this.dragged !== null && !this.dragged.moved) {
      const [unitX, unitY] = this.inUnits(x, y);
      const row = this.nearby.find(unitX, unitY, REACH / this.scale, this.shown);
      if (row >= 0) this.events.chosen(row);
    }
    this.dragged = null;
  }

  private point(row: number, x: number, y: number): void {
    if (row !== this.hover) {
      this.hover = row;
      this.drawOver();
      this.events.hovered(row);
      this.tip.hidden = row < 0;
      if (row >= 0) this.tip.textContent = this.caption(row);
    }
    if (row < 0) return;
    const left = Math.min(x + 14, this.size[0] - this.tip.offsetWidth - 8);
    const below = y + 18 + this.tip.offsetHeight < this.size[1];
    const top = below ? y + 18 : y - 12 - this.tip.offsetHeight;
    this.tip.style.transform = `translate(${Math.max(4, left)}px, ${Math.max(4, top)}px)`;
  }

  private inside(around: [number, number][]): number[] {
    const found: number[] = [];
    if (around.length < 3) return found;
    for (let row = 0; row < this.unitX.length; row++) {
      if (this.shown[row] && surrounds(around, this.unitX[row], this.unitY[row])) found.push(row);
    }
    return found;
  }

  private key(event: KeyboardEvent): void {
    const step = 60 / this.scale;
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-step, 0],
      ArrowRight: [step, 0],
      ArrowUp: [0, -step],
      ArrowDown: [0, step],
    };
    const move = moves[event.key];
    const [x, y] = [this.size[0] / 2, this.size[1] / 2];
    if (move !== undefined) {
      this.middle[0] += move[0];
      this.middle[1] += move[1];
      this.redraw();
    } else if (event.key === "+" || event.key === "=") this.zoomAt(x, y, 1.4);
    else if (event.key === "-") this.zoomAt(x, y, 1 / 1.4);
    else if (event.key === "0") this.showAll();
    else if (event.key === "Enter") {
      const row = this.nearby.find(this.middle[0], this.middle[1], 1, this.shown);
      if (row >= 0) this.events.chosen(row);
    } else return;
    event.preventDefault();
  }

  /** Where a signal is seen, in pixels of the page; for who wants to point at it. */
  pageplace(row: number): [number, number] {
    const box = this.element.getBoundingClientRect();
    const [x, y] = this.onScreen(row);
    return [box.left + x, box.top + y];
  }
}

/** Places in [0, 1], both axes to one scale, the vertical one from the top. */
function unitPlaces(x: Float32Array, y: Float32Array): [Float32Array, Float32Array] {
  const [left, right] = ends(x);
  const [low, high] = ends(y);
  const span = Math.max(right - left, high - low) || 1;
  const across = x.map((value) => 0.5 + (value - (left + right) / 2) / span);
  const down = y.map((value) => 0.5 - (value - (low + high) / 2) / span);
  return [across, down];
}

function ends(values: Float32Array): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

function surrounds(around: [number, number][], x: number, y: number): boolean {
  let inside = false;
  for (let place = 0, last = around.length - 1; place < around.length; last = place++) {
    const [x1, y1] = around[place];
    const [x2, y2] = around[last];
    if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}
