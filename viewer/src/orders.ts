// What the page and the worker that runs the field say to each other.

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
