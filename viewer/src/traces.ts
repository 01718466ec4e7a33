// Traces: values over time, each channel in a band of its own, the recorded signal and the error
// beneath where they are at hand.
import { el, short, surface, themed, ticks, type Surface } from "./dom";
import type { Decoder } from "./decoder";
import { spacingOf } from "./geometry";
import { decodeAt, resolutionText, restored, type Picture, type Shown } from "./shown";

const LEFT = 58;
const RIGHT = 10;
const TOP = 8;
const BOTTOM = 34;
const MOST_BANDS = 12;
const MOST_SAMPLES = 20_000;

interface Drawn {
  shown: Shown;
  from: number;
  to: number;
  /** Positions in samples and values in units, `[points, channels]`. */
  positions: Float64Array;
  values: Float32Array;
  /** Recorded samples in the window: their positions, values and errors, `[samples, channels]`. */
  samples: Float64Array;
  recorded: Float32Array;
  errors: Float32Array;
}

export class Traces implements Picture {
  private readonly canvas = el("canvas", { class: "picture", tabindex: 0 });
  private readonly note = el("p", { class: "note" });
  readonly element = el("div", { class: "traces" }, this.canvas, this.note);
  private shown: Shown | null = null;
  private drawn: Drawn | null = null;
  /** The seen window as shares of the signal. */
  private window: [number, number] = [0, 1];
  private dragged: number | null = null;

  constructor(
    private readonly decoder: Decoder,
    private readonly channels: number,
  ) {
    this.canvas.setAttribute(
      "aria-label",
      "Trace of the signal. The wheel or plus and minus zoom, arrows move, 0 shows all.",
    );
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.canvas.addEventListener("dblclick", () => this.look(0, 1));
    this.canvas.addEventListener("pointerdown", (event) => {
      this.dragged = event.offsetX;
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointerup", () => (this.dragged = null));
    this.canvas.addEventListener("pointermove", (event) => this.drag(event));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => void this.decode()).observe(this.element);
  }

  show(shown: Shown): void {
    this.shown = shown;
    void this.decode();
  }

  redraw(): void {
    if (this.drawn !== null) this.draw(this.drawn);
  }

  private get width(): number {
    return Math.max(120, this.element.clientWidth);
  }

  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const share = (event.offsetX - LEFT) / (this.width - LEFT - RIGHT);
    this.zoom(Math.min(1, Math.max(0, share)), Math.exp(event.deltaY * 0.0015));
  }

  private zoom(share: number, factor: number): void {
    const [from, to] = this.window;
    const span = Math.min(1, Math.max(1e-4, (to - from) * factor));
    const middle = from + share * (to - from);
    this.look(middle - share * span, middle + (1 - share) * span);
  }

  private look(from: number, to: number): void {
    const span = Math.min(1, to - from);
    const start = Math.min(1 - span, Math.max(0, from));
    this.window = [start, start + span];
    void this.decode();
  }

  private drag(event: PointerEvent): void {
    if (this.dragged === null) return;
    const [from, to] = this.window;
    const moved = ((this.dragged - event.offsetX) / (this.width - LEFT - RIGHT)) * (to - from);
    this.dragged = event.offsetX;
    this.look(from + moved, to + moved);
  }

  private key(event: KeyboardEvent): void {
    const [from, to] = this.window;
    const step = (to - from) / 8;
    if (event.key === "ArrowLeft") this.look(from - step, to - step);
    else if (event.key === "ArrowRight") this.look(from + step, to + step);
    else if (event.key === "+" || event.key === "=") this.zoom(0.5, 1 / 1.4);
    else if (event.key === "-") this.zoom(0.5, 1.4);
    else if (event.key === "0") this.look(0, 1);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private async decode(): Promise<void> {
    const { shown } = this;
    if (shown === null) return;
    const count = shown.header.shape[0];
    const from = this.window[0] * count - 0.5;
    const to = this.window[1] * count - 0.5;
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const points = Math.round((this.width - LEFT - RIGHT) * ratio);
    const samples = samplesWithin(shown, from, to);
    const positions = new Float64Array(points + samples.length);
    for (let place = 0; place < points; place++) {
      positions[place] = from + ((to - from) * (place + 0.5)) / points;
    }
    positions.set(samples, points);
    const decoded = await decodeAt(this.decoder, shown, positions, "pane");
    if (decoded === null || shown !== this.shown) return;
    const values = decoded.map((value) => restored(shown.header, value));
    const recorded = recordedAt(shown, samples, this.channels);
    const beside = values.subarray(points * this.channels);
    this.drawn = {
      shown,
      from,
      to,
      positions: positions.subarray(0, points),
      values: values.subarray(0, points * this.channels),
      samples,
      recorded,
      errors: recorded.map((value, place) => beside[place] - value),
    };
    this.draw(this.drawn);
  }

  private draw(drawn: Drawn): void {
    const bands = Math.min(MOST_BANDS, this.channels);
    const withErrors = drawn.recorded.length > 0;
    const band = bands === 1 ? 230 : Math.max(70, 420 / bands);
    const errorHeight = withErrors ? 84 : 0;
    const height = TOP + bands * band + errorHeight + BOTTOM;
    const board = surface(this.canvas, this.width, height);
    board.pen.clearRect(0, 0, this.width, height);
    board.pen.font = "11px system-ui, sans-serif";
    for (let channel = 0; channel < bands; channel++) {
      this.drawBand(board, drawn, channel, TOP + channel * band, band - 8);
    }
    if (withErrors) this.drawErrors(board, drawn, TOP + bands * band + 6, errorHeight - 14);
    this.drawTime(board, drawn, height - BOTTOM);
    const perSample = (this.width - LEFT - RIGHT) / (drawn.to - drawn.from);
    const left = this.channels > bands ? `the first ${bands} of ${this.channels} channels; ` : "";
    this.note.textContent = left + resolutionText(perSample);
  }

  private across(drawn: Drawn, position: number): number {
    const share = (position - drawn.from) / (drawn.to - drawn.from);
    return LEFT + share * (this.width - LEFT - RIGHT);
  }

  private drawBand(board: Surface, drawn: Drawn, channel: number, top: number, height: number): void {
    const { pen } = board;
    const own = everyNth(drawn.values, this.channels, channel);
    const recorded = everyNth(drawn.recorded, this.channels, channel);
    const [low, high] = widened(ends(own, recorded));
    const down = (value: number): number => top + height - ((value - low) / (high - low)) * height;
    this.drawScale(board, low, high, down, drawn.shown.header.unit, top, height);
    if (recorded.length > 0) {
      pen.strokeStyle = themed("muted");
      pen.lineWidth = 1;
      this.line(pen, drawn, drawn.samples, recorded, down);
    }
    pen.strokeStyle = themed("accent");
    pen.lineWidth = 1.75;
    this.line(pen, drawn, drawn.positions, own, down);
    this.drawSamples(board, drawn, own, down);
  }

  /** Dots where the signal has samples, once these lie apart: what is between them is the field's. */
  private drawSamples(
    board: Surface,
    drawn: Drawn,
    values: Float32Array,
    down: (value: number) => number,
  ): void {
    const apart = (this.width - LEFT - RIGHT) / (drawn.to - drawn.from);
    if (apart < 7) return;
    const last = drawn.shown.header.shape[0] - 1;
    board.pen.fillStyle = themed("accent");
    for (let sample = Math.max(0, Math.ceil(drawn.from)); sample <= Math.min(last, drawn.to); sample++) {
      const share = (sample - drawn.from) / (drawn.to - drawn.from);
      const value = values[Math.min(values.length - 1, Math.floor(share * values.length))];
      board.pen.beginPath();
      board.pen.arc(this.across(drawn, sample), down(value), 2.6, 0, 2 * Math.PI);
      board.pen.fill();
    }
  }

  private line(
    pen: CanvasRenderingContext2D,
    drawn: Drawn,
    positions: Float64Array,
    values: Float32Array,
    down: (value: number) => number,
  ): void {
    pen.beginPath();
    let broken = true;
    for (let place = 0; place < positions.length; place++) {
      if (Number.isNaN(values[place])) {
        broken = true;
        continue;
      }
      const x = this.across(drawn, positions[place]);
      if (broken) pen.moveTo(x, down(values[place]));
      else pen.lineTo(x, down(values[place]));
      broken = false;
    }
    pen.stroke();
  }

  private drawErrors(board: Surface, drawn: Drawn, top: number, height: number): void {
    const { pen } = board;
    let most = 0;
    for (const error of drawn.errors) if (!Number.isNaN(error)) most = Math.max(most, Math.abs(error));
    most = most || 1;
    const down = (value: number): number => top + height / 2 - (value / most) * (height / 2);
    this.drawScale(board, -most, most, down, "error", top, height, 2);
    pen.strokeStyle = themed("warm");
    pen.lineWidth = 1.25;
    for (let channel = 0; channel < Math.min(MOST_BANDS, this.channels); channel++) {
      this.line(pen, drawn, drawn.samples, everyNth(drawn.errors, this.channels, channel), down);
    }
  }

  private drawScale(
    board: Surface,
    low: number,
    high: number,
    down: (value: number) => number,
    name: string,
    top: number,
    height: number,
    about = Math.max(2, height / 42),
  ): void {
    const { pen } = board;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const mark of ticks(low, high, about)) {
      pen.strokeStyle = themed("line");
      pen.lineWidth = 1;
      pen.beginPath();
      pen.moveTo(LEFT, down(mark));
      pen.lineTo(this.width - RIGHT, down(mark));
      pen.stroke();
      pen.fillStyle = themed("muted");
      pen.fillText(short(mark, 3), LEFT - 6, down(mark));
    }
    pen.save();
    pen.translate(11, top + height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(name, 0, 0);
    pen.restore();
  }

  private drawTime(board: Surface, drawn: Drawn, top: number): void {
    const { pen } = board;
    const { header } = drawn.shown;
    const known = header.spacing !== null;
    const step = spacingOf(header, 0);
    const start = (drawn.from + (known ? 0.5 : 0)) * step;
    const stop = (drawn.to + (known ? 0.5 : 0)) * step;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.fillStyle = themed("muted");
    for (const mark of ticks(start, stop, this.width / 90)) {
      const x = LEFT + ((mark - start) / (stop - start)) * (this.width - LEFT - RIGHT);
      pen.fillText(short(mark, 6), x, top + 4);
    }
    const unit = header.spacingUnit || "";
    const name = known ? (unit === "s" ? "time (s)" : `position${unit ? ` (${unit})` : ""}`) : "sample";
    pen.fillText(name, LEFT + (this.width - LEFT - RIGHT) / 2, top + 18);
  }
}

/** Positions of the recorded samples that are seen. */
function samplesWithin(shown: Shown, from: number, to: number): Float64Array {
  if (shown.original === null) return new Float64Array(0);
  const [count] = shown.original.shape;
  const [stride] = shown.original.stride;
  const found: number[] = [];
  const first = Math.max(0, Math.ceil(from / stride));
  const last = Math.min(count - 1, Math.floor(to / stride));
  const skip = Math.max(1, Math.ceil((last - first) / MOST_SAMPLES));
  for (let sample = first; sample <= last; sample += skip) found.push(sample * stride);
  return Float64Array.from(found);
}

function recordedAt(shown: Shown, samples: Float64Array, channels: number): Float32Array {
  const { original } = shown;
  const found = new Float32Array(samples.length * channels);
  if (original === null) return found;
  samples.forEach((position, place) => {
    const start = (position / original.stride[0]) * channels;
    found.set(original.values.subarray(start, start + channels), place * channels);
  });
  return found;
}

function everyNth(values: Float32Array, step: number, first: number): Float32Array {
  if (step === 1) return values;
  return Float32Array.from({ length: values.length / step }, (_, place) => values[place * step + first]);
}

function ends(...several: Float32Array[]): [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (const values of several) {
    for (const value of values) {
      if (Number.isNaN(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low <= high ? [low, high] : [0, 1];
}

function widened([low, high]: [number, number]): [number, number] {
  const margin = (high - low || 1) * 0.06;
  return [low - margin, high + margin];
}
