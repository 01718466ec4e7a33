// A signal in the pane, and what draws one.
import type { Header, Original } from "./data";
import { Superseded, type Decoder } from "./decoder";
import { coordinatesAt } from "./geometry";

export interface Shown {
  latent: Float32Array;
  header: Header;
  original: Original | null;
}

export interface Picture {
  element: HTMLElement;
  show(shown: Shown): void;
  /** Draw again, in other colours or another size. */
  redraw(): void;
}

/** Decode at positions in samples, `[points, dim]`; values in [0, 1], or null when something newer
 * was asked for since. */
export async function decodeAt(
  decoder: Decoder,
  shown: Shown,
  positions: Float64Array,
  topic: string,
): Promise<Float32Array | null> {
  try {
    return await decoder.decode(shown.latent, coordinatesAt(shown.header, positions), topic);
  } catch (error) {
    if (error instanceof Superseded) return null;
    throw error;
  }
}

/** A value in [0, 1] in the units of the signal. */
export const restored = (header: Header, value: number): number =>
  header.low + value * (header.high - header.low);

export const normalised = (header: Header, value: number): number =>
  (value - header.low) / (header.high - header.low);

/** What is said of the zoom beside the samples that there are. */
export function resolutionText(pixels: number): string {
  if (pixels <= 1.05) return "";
  return `${pixels.toPrecision(2)} screen pixels a sample: between samples the field interpolates`;
}
