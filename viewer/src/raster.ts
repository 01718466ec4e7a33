// Many points drawn into pixels without a graphics card: each is a small round stamp, blended over
// what is there.
import type { Rgb } from "./palette";

export interface Stamp {
  side: number;
  /** How much of each pixel is covered, 0 to 255. */
  cover: Uint8Array;
}

/** A filled circle with a soft edge, of this radius in pixels of the screen. */
export function roundStamp(radius: number): Stamp {
  const side = 2 * Math.ceil(radius) + 1;
  const middle = (side - 1) / 2;
  const cover = new Uint8Array(side * side);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const away = Math.hypot(row - middle, column - middle);
      cover[row * side + column] = Math.round(255 * Math.min(1, Math.max(0, radius + 0.5 - away)));
    }
  }
  return { side, cover };
}

/** Blend a stamp of one colour into pixels (RGBA) around a place. */
export function press(
  pixels: Uint8ClampedArray,
  width: number,
  height: number,
  stamp: Stamp,
  x: number,
  y: number,
  colour: number,
  alpha: number,
): void {
  const { side, cover } = stamp;
  const left = Math.round(x) - (side >> 1);
  const top = Math.round(y) - (side >> 1);
  if (left + side <= 0 || top + side <= 0 || left >= width || top >= height) return;
  const red = colour & 255;
  const green = (colour >> 8) & 255;
  const blue = (colour >> 16) & 255;
  for (let row = Math.max(0, -top); row < side && top + row < height; row++) {
    for (let column = Math.max(0, -left); column < side && left + column < width; column++) {
      const share = (cover[row * side + column] * alpha) / 255;
      if (share === 0) continue;
      const at = 4 * ((top + row) * width + left + column);
      const below = pixels[at + 3] * (1 - share);
      const whole = 255 * share + below;
      pixels[at] = (red * 255 * share + pixels[at] * below) / whole;
      pixels[at + 1] = (green * 255 * share + pixels[at + 1] * below) / whole;
      pixels[at + 2] = (blue * 255 * share + pixels[at + 2] * below) / whole;
      pixels[at + 3] = whole;
    }
  }
}

export const packed = (colour: Rgb): number => colour[0] | (colour[1] << 8) | (colour[2] << 16);

/** A picture of how densely points lie: bands of one colour, the fuller the denser. */
export function densityImage(
  across: Float32Array,
  down: Float32Array,
  shown: Uint8Array,
  width: number,
  height: number,
  colour: Rgb,
): ImageData {
  let counts = new Float32Array(width * height);
  for (let row = 0; row < across.length; row++) {
    const x = Math.round(across[row]);
    const y = Math.round(down[row]);
    if (shown[row] && x >= 0 && y >= 0 && x < width && y < height) counts[y * width + x] += 1;
  }
  for (let time = 0; time < 3; time++) counts = blurred(counts, width, height, 4);
  let most = 0;
  for (const count of counts) most = Math.max(most, count);
  const image = new ImageData(width, height);
  const bands = 7;
  for (let place = 0; place < counts.length; place++) {
    const share = most > 0 ? Math.sqrt(counts[place] / most) : 0;
    const band = Math.ceil(share * bands - 0.35);
    image.data[4 * place] = colour[0];
    image.data[4 * place + 1] = colour[1];
    image.data[4 * place + 2] = colour[2];
    image.data[4 * place + 3] = band <= 0 ? 0 : (band / bands) * 120;
  }
  return image;
}

function blurred(
  values: Float32Array,
  width: number,
  height: number,
  reach: number,
): Float32Array<ArrayBuffer> {
  const along = new Float32Array(values.length);
  slide(values, along, height, width, width, 1, reach);
  const both = new Float32Array(values.length);
  slide(along, both, width, height, 1, width, reach);
  return both;
}

/** A running mean along lines. */
function slide(
  from: Float32Array,
  to: Float32Array,
  lines: number,
  length: number,
  lineStep: number,
  step: number,
  reach: number,
): void {
  const share = 1 / (2 * reach + 1);
  for (let line = 0; line < lines; line++) {
    const start = line * lineStep;
    let sum = 0;
    for (let place = 0; place < Math.min(reach, length); place++) sum += from[start + place * step];
    for (let place = 0; place < length; place++) {
      if (place + reach < length) sum += from[start + (place + reach) * step];
      if (place - reach - 1 >= 0) sum -= from[start + (place - reach - 1) * step];
      to[start + place * step] = sum * share;
    }
  }
}
