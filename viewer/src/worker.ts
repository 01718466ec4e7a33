// Runs the field. It lives in a worker of its own, so that the page never waits for it.
import * as ort from "onnxruntime-web/wasm";
import type { Answer, Order } from "./orders";

const POINTS_AT_ONCE = 65536;
let session: ort.InferenceSession | undefined;
let dim = 0;
let channels = 0;

const answer = (message: Answer, transfer: Transferable[] = []): void =>
  (self as unknown as Worker).postMessage(message, transfer);

async function open(runtime: ArrayBuffer, field: ArrayBuffer): Promise<void> {
  ort.env.wasm.numThreads = 1; // more would need a server that isolates the page
  ort.env.wasm.proxy = false;
  ort.env.wasm.wasmBinary = runtime;
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(new Uint8Array(field), {
    executionProviders: ["wasm"],
    graphOptimizationLevel: "all",
  });
}

/** Values `[points, channels]` at coordinates `[points, dim]`, a part of the points at a time. */
async function decode(latent: Float32Array, coordinates: Float32Array): Promise<Float32Array> {
  if (session === undefined) throw new Error("the field was not opened");
  const points = coordinates.length / dim;
  const values = new Float32Array(points * channels);
  const latents = new ort.Tensor("float32", latent, [1, latent.length]);
  for (let start = 0; start < points; start += POINTS_AT_ONCE) {
    const stop = Math.min(points, start + POINTS_AT_ONCE);
    const piece = coordinates.subarray(start * dim, stop * dim);
    const where = new ort.Tensor("float32", piece, [1, stop - start, dim]);
    const found = await session.run({ coordinates: where, latents });
    values.set(found.values.data as Float32Array, start * channels);
    found.values.dispose();
  }
  return values;
}

self.onmessage = async (event: MessageEvent<Order>) => {
  const order = event.data;
  const began = performance.now();
  try {
    if (order.kind === "open") {
      dim = order.dim;
      channels = order.channels;
      await open(order.runtime, order.field);
      answer({ number: order.number, values: null, milliseconds: performance.now() - began });
    } else {
      const values = await decode(order.latent, order.coordinates);
      const milliseconds = performance.now() - began;
      answer({ number: order.number, values, milliseconds }, [values.buffer as ArrayBuffer]);
    }
  } catch (error) {
    answer({ number: order.number, values: null, milliseconds: 0, error: String(error) });
  }
};
