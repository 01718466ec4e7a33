// The planes that a signal is shown in, and rectangles of values in them.
import type { Header, Original } from "./data";
import { directionsOf, spacingOf, worldOf } from "./geometry";
import { normalised, type Shown } from "./shown";

const LETTERS = ["L", "R", "P", "A", "I", "S"];

/** A plane of a signal: which axes run to the right and down, and which way. */
export interface Plane {
  across: number;
  down: number;
  acrossSign: number;
  downSign: number;
  /** The axis it stands on; -1 for an image. */
  fixed: number;
  title: string;
  letters: [string, string, string, string] | null;
}

/** A rectangle of values in a plane: its first position along both axes, and the steps. */
export interface Raster {
  width: number;
  height: number;
  left: number;
  top: number;
  stepAcross: number;
  stepDown: number;
  values: Float32Array;
}

export interface Side {
  count: number;
  first: number;
  step: number;
}

/** Positions along one side of a window from edge to edge, of which there would be `pixels`, but for
 * those beyond the signal. */
export function seenSide(from: number, to: number, samples: number, pixels: number): Side | null {
  const inside = (position: number): number => Math.min(samples - 0.5, Math.max(-0.5, position));
  const [start, stop] = [inside(from), inside(to)];
  if (start === stop) return null;
  const count = Math.max(2, Math.round((pixels * (stop - start)) / (to - from)));
  const step = (stop - start) / count;
  return { count, first: start + step / 2, step };
}

/** The planes that a signal is shown in. */
export function planesOf(header: Header): Plane[] {
  const plane = (across: number, down: number, fixed: number, title: string): Plane => ({
    across,
    down,
    acrossSign: 1,
    downSign: 1,
    fixed,
    title,
    letters: null,
  });
  if (header.shape.length === 2) return [plane(1, 0, -1, "")];
  const directions = directionsOf(header);
  if (directions === null) {
    return [
      plane(0, 1, 2, "along axis 3"),
      plane(0, 2, 1, "along axis 2"),
      plane(1, 2, 0, "along axis 1"),
    ];
  }
  const axisOf = (world: number): number => directions.findIndex((found) => found.world === world);
  const turned = (across: number, down: number, fixed: number, title: string): Plane => {
    const right = axisOf(across);
    const below = axisOf(down);
    return {
      across: right,
      down: below,
      acrossSign: directions[right].sign,
      downSign: -directions[below].sign,
      fixed: axisOf(fixed),
      title,
      letters: [
        LETTERS[2 * across],
        LETTERS[2 * across + 1],
        LETTERS[2 * down + 1],
        LETTERS[2 * down],
      ],
    };
  };
  return [turned(0, 1, 2, "axial"), turned(0, 2, 1, "coronal"), turned(1, 2, 0, "sagittal")];
}

export function isInside(position: number[], shape: number[]): boolean {
  return position.every((along, axis) => along >= -0.5 && along <= shape[axis] - 0.5);
}

/** The position of the recorded slice that is nearest. */
export function nearestSlice(original: Original, axis: number, position: number[]): number {
  const slice = Math.round(position[axis] / original.stride[axis]);
  return Math.min(original.shape[axis] - 1, Math.max(0, slice)) * original.stride[axis];
}

/** A position in words: in the world where that is known, else by length or by sample. */
export function placeText(header: Header, position: number[]): string {
  if (header.shape.length === 3 && header.affine !== null) {
    const [x, y, z] = worldOf(header.affine, position).map((along) => along.toFixed(1));
    return `x ${x}, y ${y}, z ${z} mm`;
  }
  const known = header.spacing !== null;
  const parts = position.map((along, axis) =>
    known ? ((along + 0.5) * spacingOf(header, axis)).toFixed(2) : along.toFixed(1),
  );
  if (header.shape.length === 2) {
    const unit = known ? ` ${header.spacingUnit}` : "";
    return `column ${parts[1]}${unit}, row ${parts[0]}${unit}`;
  }
  return `${parts.join(", ")} ${known ? header.spacingUnit : "(samples)"}`;
}

/** A raster of the samples that were recorded, for all of a plane, with nothing in it. */
export function sampleRaster(plane: Plane, original: Original | null, channels: number): Raster | null {
  if (original === null) return null;
  const [width, height] = [original.shape[plane.across], original.shape[plane.down]];
  return {
    width,
    height,
    left: 0,
    top: 0,
    stepAcross: original.stride[plane.across],
    stepDown: original.stride[plane.down],
    values: new Float32Array(width * height * channels).fill(NaN),
  };
}

/** What was recorded in a plane through a place, in [0, 1]. */
export function recordedRaster(
  plane: Plane,
  shown: Shown,
  place: number[],
  channels: number,
): Raster | null {
  const { original, header } = shown;
  const raster = sampleRaster(plane, original, channels);
  if (raster === null || original === null) return null;
  const index = new Array<number>(place.length).fill(0);
  if (plane.fixed >= 0) {
    const position = nearestSlice(original, plane.fixed, place);
    index[plane.fixed] = position / original.stride[plane.fixed];
  }
  for (let pixel = 0; pixel < raster.width * raster.height; pixel++) {
    index[plane.across] = pixel % raster.width;
    index[plane.down] = Math.floor(pixel / raster.width);
    const flat = index.reduce((sum, along, axis) => sum * original.shape[axis] + along, 0);
    for (let channel = 0; channel < channels; channel++) {
      const value = original.values[flat * channels + channel];
      raster.values[pixel * channels + channel] = normalised(header, value);
    }
  }
  return raster;
}

/** The value of a raster that is nearest to a position, one number a channel. */
export function valueAt(
  raster: Raster,
  plane: Plane,
  position: number[],
  channels: number,
): number[] | null {
  const column = Math.round((position[plane.across] - raster.left) / raster.stepAcross);
  const row = Math.round((position[plane.down] - raster.top) / raster.stepDown);
  if (column < 0 || row < 0 || column >= raster.width || row >= raster.height) return null;
  const start = (row * raster.width + column) * channels;
  const own = Array.from(raster.values.subarray(start, start + channels));
  return own.some(Number.isNaN) ? null : own;
}
