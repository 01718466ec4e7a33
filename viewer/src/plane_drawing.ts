// What is drawn over planes: a bar of a round length, letters of directions.
import type { Header } from "./data";
import { short, type Surface } from "./dom";
import { css, type Rgb } from "./palette";
import type { Plane } from "./plane_layout";

/** A bar of a round length; `scale` is CSS pixels of a unit of length. */
export function drawBar(board: Surface, scale: number, header: Header): void {
  const rough = 70 / scale;
  const power = 10 ** Math.floor(Math.log10(rough));
  const length = [5, 2, 1].map((factor) => factor * power).find((size) => size <= rough) ?? power;
  const unit = header.spacing === null ? "samples" : header.spacingUnit || "units";
  const { pen } = board;
  const y = board.height - 10;
  for (const width of [5, 2]) {
    pen.lineWidth = width;
    pen.strokeStyle = width === 5 ? css([0, 0, 0], 0.6) : css([255, 255, 255]);
    pen.beginPath();
    pen.moveTo(10, y);
    pen.lineTo(10 + length * scale, y);
    pen.stroke();
  }
  label(pen, `${short(length, 2)} ${unit}`, 10, y - 12, "left");
}

/** The directions of the world at the edges of a plane. */
export function drawLetters(board: Surface, plane: Plane): void {
  if (plane.letters === null) return;
  const [left, right, top, bottom] = plane.letters;
  label(board.pen, left, 8, board.height / 2, "left");
  label(board.pen, right, board.width - 8, board.height / 2, "right");
  label(board.pen, top, board.width / 2, 10, "center");
  label(board.pen, bottom, board.width / 2, board.height - 10, "center");
}

function label(
  pen: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  align: CanvasTextAlign,
): void {
  pen.font = "600 11px system-ui, sans-serif";
  pen.textAlign = align;
  pen.textBaseline = "middle";
  pen.lineWidth = 3;
  pen.strokeStyle = css([0, 0, 0], 0.65);
  pen.strokeText(text, x, y);
  pen.fillStyle = css([255, 255, 255]);
  pen.fillText(text, x, y);
}

/** The colour of a value in [0, 1]: its own three channels, or the first as grey. */
export function toneOf(values: Float32Array): Rgb {
  const level = (value: number): number => Math.round(255 * Math.min(1, Math.max(0, value)));
  if (values.length === 3) return [level(values[0]), level(values[1]), level(values[2])];
  const grey = level(values[0]);
  return [grey, grey, grey];
}
