// Where samples lie: positions in samples, coordinates of the field, and the world.
import type { Header } from "./data";

/** Half the length of each side of a signal's box in coordinates; the longest is 1. */
export function halfSides(header: Header): number[] {
  const { shape, spacing } = header;
  if (spacing === null) return shape.map(() => 1);
  const sides = shape.map((samples, axis) => samples * spacing[axis]);
  const longest = Math.max(...sides);
  return sides.map((side) => side / longest);
}

/** Positions in samples, `[points, dim]`, as coordinates of the field. */
export function coordinatesAt(header: Header, positions: Float64Array): Float32Array {
  const half = halfSides(header);
  const dim = header.shape.length;
  const found = new Float32Array(positions.length);
  for (let place = 0; place < positions.length; place++) {
    const axis = place % dim;
    found[place] = ((2 * positions[place] + 1) / header.shape[axis] - 1) * half[axis];
  }
  return found;
}

/** The position in samples of a signal's sample with this number, the last axis running fastest. */
export function positionOf(number: number, shape: number[]): number[] {
  const position = new Array<number>(shape.length);
  let rest = number;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    position[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
  }
  return position;
}

/** World coordinates of a position in samples, in millimetres. */
export function worldOf(affine: number[], position: number[]): number[] {
  return [0, 1, 2].map((row) => {
    let sum = affine[4 * row + 3];
    position.forEach((along, axis) => {
      sum += affine[4 * row + axis] * along;
    });
    return sum;
  });
}

/** How a voxel axis runs in the world: which of its axes it follows most, and which way. */
export interface Direction {
  world: number;
  sign: number;
}

/** The directions of the three voxel axes; none where it is not known or not one to one. */
export function directionsOf(header: Header): Direction[] | null {
  const { affine } = header;
  if (affine === null || header.shape.length !== 3) return null;
  const taken = new Set<number>();
  const found: Direction[] = [];
  for (let axis = 0; axis < 3; axis++) {
    const steps = [0, 1, 2].map((row) => affine[4 * row + axis]);
    const sizes = steps.map(Math.abs);
    const world = sizes.indexOf(Math.max(...sizes));
    if (taken.has(world)) return null;
    taken.add(world);
    found.push({ world, sign: steps[world] < 0 ? -1 : 1 });
  }
  return found;
}

/** The length of one step from sample to sample along an axis, or 1 where it is not known. */
export const spacingOf = (header: Header, axis: number): number => header.spacing?.[axis] ?? 1;
