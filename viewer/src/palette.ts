// Colours that people with any kind of colour vision tell apart: those of Okabe and Ito for classes,
// viridis for numbers, and from blue over nothing to orange for errors.

export type Rgb = readonly [number, number, number];

const OKABE_ITO: Rgb[] = [
  [0, 114, 178],
  [230, 159, 0],
  [0, 158, 115],
  [204, 121, 167],
  [86, 180, 233],
  [213, 94, 0],
  [240, 228, 66],
  [120, 94, 160],
];
export const MOST_CLASSES = OKABE_ITO.length;

const VIRIDIS: Rgb[] = [
  [68, 1, 84],
  [71, 44, 122],
  [59, 81, 139],
  [44, 113, 142],
  [33, 144, 141],
  [39, 173, 129],
  [92, 200, 99],
  [170, 220, 50],
  [253, 231, 37],
];

export const UNKNOWN: Rgb = [140, 146, 153];

/** The colour of the class with this place in the order of classes, lighter on a dark page. */
export function classColour(place: number): Rgb {
  if (place >= MOST_CLASSES) return UNKNOWN;
  const dark = document.documentElement.dataset.theme === "dark";
  return dark ? mixed(OKABE_ITO[place], [255, 255, 255], 0.25) : OKABE_ITO[place];
}

/** The colour of a number in [0, 1]. */
export function numberColour(share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const below = Math.min(VIRIDIS.length - 2, Math.floor(at));
  return mixed(VIRIDIS[below], VIRIDIS[below + 1], at - below);
}

export function mixed(first: Rgb, second: Rgb, share: number): Rgb {
  const channel = (place: 0 | 1 | 2): number =>
    Math.round(first[place] + (second[place] - first[place]) * share);
  return [channel(0), channel(1), channel(2)];
}

const TOO_LOW: Rgb = [33, 102, 172];
const TOO_HIGH: Rgb = [200, 90, 10];

/** The colour of an error in [-1, 1] over a background. */
export function errorColour(error: number, background: Rgb): Rgb {
  const size = Math.min(1, Math.abs(error));
  return mixed(background, error < 0 ? TOO_LOW : TOO_HIGH, Math.sqrt(size));
}

export const css = (colour: Rgb, alpha = 1): string =>
  `rgba(${colour[0]}, ${colour[1]}, ${colour[2]}, ${alpha})`;
