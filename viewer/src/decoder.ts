// The field, as the rest of the page sees it.
import workerCode from "worker:./worker.ts";
import type { Answer, Order } from "./orders";
import { loadPacked, loadPart } from "./store";

interface Job {
  order: Order;
  transfer: Transferable[];
  resolve: (answer: Answer) => void;
  reject: (error: Error) => void;
}

/** Thrown to who has asked for something newer since. */
export class Superseded extends Error {}

export class Decoder {
  private readonly worker: Worker;
  private readonly queue: Job[] = [];
  private running: Job | undefined;
  private numbers = 0;
  /** What the last decoding took, in milliseconds. */
  lastMilliseconds = 0;

  constructor() {
    this.opened.catch(() => undefined);
    const url = URL.createObjectURL(new Blob([workerCode], { type: "text/javascript" }));
    this.worker = new Worker(url);
    this.worker.onmessage = (event: MessageEvent<Answer>) => this.finish(event.data);
    this.worker.onerror = (event) => {
      const said = event.message || "the worker did not start";
      this.finish({ number: -1, values: null, milliseconds: 0, error: said });
    };
  }

  private opened: Promise<void> = Promise.reject(new Error("the field was not opened"));

  /** Load the field; what is to be decoded meanwhile waits for it. */
  open(dim: number, channels: number): Promise<void> {
    this.opened = this.load(dim, channels);
    return this.opened;
  }

  private async load(dim: number, channels: number): Promise<void> {
    const [runtime, fieldBytes] = await Promise.all([loadPacked("runtime"), loadPart("field")]);
    const field = fieldBytes.buffer as ArrayBuffer;
    const number = this.numbers++;
    const order: Order = { kind: "open", number, runtime, field, dim, channels };
    await this.ask(order, [runtime, field]);
  }

  /** Values in [0, 1], `[points, channels]`. Of several askings by one `topic`, only the newest is
   * answered once an older one has not begun; the others are rejected as superseded. */
  async decode(
    latent: Float32Array,
    coordinates: Float32Array,
    topic: string | null = null,
  ): Promise<Float32Array> {
    await this.opened;
    const number = this.numbers++;
    const order: Order = { kind: "decode", number, latent, coordinates };
    const answer = await this.ask(order, [], topic);
    this.lastMilliseconds = answer.milliseconds;
    return answer.values as Float32Array;
  }

  private readonly topics = new Map<string, Job>();

  private ask(order: Order, transfer: Transferable[], topic: string | null = null): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const job: Job = { order, transfer, resolve, reject };
      if (topic !== null) {
        this.drop(this.topics.get(topic));
        this.topics.set(topic, job);
      }
      this.queue.push(job);
      this.next();
    });
  }

  private drop(job: Job | undefined): void {
    if (job === undefined) return;
    const place = this.queue.indexOf(job);
    if (place < 0) return;
    this.queue.splice(place, 1);
    job.reject(new Superseded());
  }

  private next(): void {
    if (this.running !== undefined) return;
    this.running = this.queue.shift();
    if (this.running === undefined) return;
    this.worker.postMessage(this.running.order, this.running.transfer);
  }

  private finish(answer: Answer): void {
    const job = this.running;
    this.running = undefined;
    if (job !== undefined) {
      if (answer.error !== undefined) job.reject(new Error(answer.error));
      else job.resolve(answer);
    }
    this.next();
  }
}
