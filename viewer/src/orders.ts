// What the page, the worker that runs the field, and a notebook that shows the page say to each other.

export interface OpenOrder {
  kind: "open";
  number: number;
  runtime: ArrayBuffer;
  field: ArrayBuffer;
  dim: number;
  channels: number;
}

export interface DecodeOrder {
  kind: "decode";
  number: number;
  latent: Float32Array;
  coordinates: Float32Array;
}

export type Order = OpenOrder | DecodeOrder;

export interface Answer {
  number: number;
  values: Float32Array | null;
  milliseconds: number;
  error?: string;
}

/** A mark as Python has it. */
export interface KeptMark {
  id: string;
  split: string;
  label: string;
  marked: boolean;
  new_label: string;
  note: string;
}

/** What a page in a notebook asks for or tells. */
export type PageMessage = { part: string } | { marks: KeptMark[] };

/** What it is answered: the bytes of a part, or why there are none. */
export interface HostMessage {
  part: string;
  bytes?: ArrayBuffer;
  error?: string;
}

/** What a page in a notebook says when it is there, and is answered with a channel. */
export const HERE = "medfuncta: here";
