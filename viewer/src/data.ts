// What a view holds: facts of the set, all signals as points, and each signal's row when it is asked
// for.
import { parquetRead, parquetReadObjects } from "hyparquet";
import { loadPart } from "./store";

export interface ColumnFacts {
  name: string;
  title: string;
  kind: "number" | "text";
  unit: string;
}

export interface Manifest {
  format: number;
  fingerprint: string;
  latent_size: number;
  dim: number;
  channels: number;
  modality: string;
  unit: string;
  label_names: string[];
  splits: Record<string, number>;
  source: string;
  licence: string;
  citation: string;
  field_kind: string;
  signals: number;
  left_out: number;
  points: string[];
  rows: { each: number; parts: number };
  columns: ColumnFacts[];
  axes: { horizontal: string; vertical: string };
  neighbours: number;
  originals: { signals: number; detail: string } | null;
  leaks: LeakFacts | null;
  check: { row: number; step: number };
}

export interface LeakFacts {
  between: string;
  pairs: { first: number; second: number; difference: number }[];
}

/** One thing known of all signals: numbers, or texts by their place in `words`. */
export interface Column extends ColumnFacts {
  numbers: Float32Array;
  codes: Int32Array;
  words: string[];
}

/** All that is known of a signal but its values. */
export interface Header {
  shape: number[];
  spacing: number[] | null;
  spacingUnit: string;
  affine: number[] | null;
  low: number;
  high: number;
  unit: string;
  metadata: Record<string, string | number | boolean>;
}

export interface Row {
  latent: Float32Array;
  header: Header;
  neighbours: { row: number; distance: number }[];
}

/** Values of a signal as it was recorded, in its units; NaN where nothing was. */
export interface Original {
  values: Float32Array;
  shape: number[];
  stride: number[];
}

const FORMAT = 1;
const MOST_KEPT = 48;

/** Remembers the parts used last. */
class Kept<Value> {
  private readonly entries = new Map<number, Promise<Value>>();

  constructor(private readonly load: (number: number) => Promise<Value>) {}

  get(number: number): Promise<Value> {
    const known = this.entries.get(number);
    if (known !== undefined) this.entries.delete(number);
    const value = known ?? this.load(number);
    this.entries.set(number, value);
    value.catch(() => this.entries.delete(number));
    if (this.entries.size > MOST_KEPT) {
      this.entries.delete(this.entries.keys().next().value as number);
    }
    return value;
  }
}

function fileOf(bytes: Uint8Array): ArrayBuffer {
  if (bytes.byteLength === bytes.buffer.byteLength) return bytes.buffer as ArrayBuffer;
  return bytes.slice().buffer as ArrayBuffer;
}

const partName = (kind: string, number: number): string => `${kind}-${String(number).padStart(5, "0")}`;

export class Dataset {
  readonly ids: string[] = [];
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly columns: Column[];
  private readonly rowParts: Kept<Record<string, unknown>[]>;
  private readonly originalParts: Kept<Map<number, Record<string, unknown>>>;

  private constructor(readonly manifest: Manifest) {
    const count = manifest.signals;
    this.x = new Float32Array(count);
    this.y = new Float32Array(count);
    this.columns = manifest.columns.map((facts) => ({
      ...facts,
      numbers: new Float32Array(facts.kind === "number" ? count : 0).fill(NaN),
      codes: new Int32Array(facts.kind === "text" ? count : 0).fill(-1),
      words: [],
    }));
    this.rowParts = new Kept((number) => objectsOf(partName("rows", number)));
    this.originalParts = new Kept(async (number) => {
      const rows = await objectsOf(partName("originals", number));
      return new Map(rows.map((row) => [row.row as number, row]));
    });
  }

  /** Read what is known of all signals; `progress` is told how many. */
  static async open(progress: (done: number, all: number) => void): Promise<Dataset> {
    const text = new TextDecoder().decode(await loadPart("manifest"));
    const manifest = JSON.parse(text) as Manifest;
    if (manifest.format !== FORMAT) throw new Error("this folder is of another version of the page");
    const data = new Dataset(manifest);
    const places = data.columns.map(() => new Map<string, number>());
    for (const name of manifest.points) {
      await data.takePoints(await loadPart(name), places);
      progress(data.ids.length, manifest.signals);
    }
    return data;
  }

  private async takePoints(bytes: Uint8Array, places: Map<string, number>[]): Promise<void> {
    const found = await columnsOf(bytes);
    const start = this.ids.length;
    for (const id of found.get("id") as ArrayLike<string> & Iterable<string>) this.ids.push(id);
    this.x.set(found.get("x") as Float32Array, start);
    this.y.set(found.get("y") as Float32Array, start);
    this.columns.forEach((column, number) => {
      const values = found.get(column.name) as ArrayLike<unknown>;
      for (let row = 0; row < values.length; row++) {
        const value = values[row];
        if (value === null || value === undefined) continue;
        if (column.kind === "number") column.numbers[start + row] = Number(value);
        else column.codes[start + row] = codeOf(String(value), column.words, places[number]);
      }
    });
  }

  column(name: string): Column | undefined {
    return this.columns.find((column) => column.name === name);
  }

  /** A column's value of one signal in words. */
  text(column: Column, row: number): string {
    if (column.kind === "text") {
      const code = column.codes[row];
      return code < 0 ? "" : column.words[code];
    }
    const number = column.numbers[row];
    if (Number.isNaN(number)) return "";
    return `${Number(number.toPrecision(4))}${column.unit ? ` ${column.unit}` : ""}`;
  }

  async row(row: number): Promise<Row> {
    const { each } = this.manifest.rows;
    const part = await this.rowParts.get(Math.floor(row / each));
    return rowOf(part[row % each]);
  }

  /** The signal as it was recorded; null where the view does not hold it. */
  async original(row: number): Promise<Original | null> {
    if (this.manifest.originals === null) return null;
    const part = await this.originalParts.get(Math.floor(row / this.manifest.rows.each));
    const stored = part.get(row);
    return stored === undefined ? null : originalOf(stored);
  }
}

function codeOf(word: string, words: string[], places: Map<string, number>): number {
  let code = places.get(word);
  if (code === undefined) {
    code = words.length;
    words.push(word);
    places.set(word, code);
  }
  return code;
}

async function columnsOf(bytes: Uint8Array): Promise<Map<string, ArrayLike<unknown>>> {
  const found = new Map<string, unknown[]>();
  await parquetRead({
    file: fileOf(bytes),
    utf8: false,
    onChunk: (chunk) => {
      const known = found.get(chunk.columnName) ?? [];
      for (const value of chunk.columnData as ArrayLike<unknown> & Iterable<unknown>) known.push(value);
      found.set(chunk.columnName, known);
    },
  });
  return found;
}

async function objectsOf(name: string): Promise<Record<string, unknown>[]> {
  return parquetReadObjects({ file: fileOf(await loadPart(name)), utf8: false });
}

function rowOf(stored: Record<string, unknown>): Row {
  const bytes = (stored.latent as Uint8Array).slice();
  const near = (stored.neighbors as number[] | null) ?? [];
  const distances = (stored.distances as number[] | null) ?? [];
  return {
    latent: new Float32Array(bytes.buffer),
    header: {
      shape: stored.shape as number[],
      spacing: (stored.spacing as number[] | null) ?? null,
      spacingUnit: (stored.spacing_unit as string | null) ?? "",
      affine: (stored.affine as number[] | null) ?? null,
      low: stored.value_low as number,
      high: stored.value_high as number,
      unit: (stored.unit as string | null) ?? "",
      metadata: JSON.parse((stored.metadata as string | null) || "{}"),
    },
    neighbours: near.map((row, place) => ({ row, distance: distances[place] })),
  };
}

const MISSING = 65535;
const LEVELS = 65534;

function originalOf(stored: Record<string, unknown>): Original {
  const bytes = (stored.values as Uint8Array).slice();
  const levels = new Uint16Array(bytes.buffer);
  const low = stored.low as number;
  const step = ((stored.high as number) - low) / LEVELS;
  const values = new Float32Array(levels.length);
  for (let place = 0; place < levels.length; place++) {
    values[place] = levels[place] === MISSING ? NaN : low + levels[place] * step;
  }
  return { values, shape: stored.shape as number[], stride: stored.stride as number[] };
}
