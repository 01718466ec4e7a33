// The parts of a view: files of JavaScript that do nothing but hand over bytes, since a page that was
// opened from disk may load scripts and nothing else. A page in a notebook has no files: it asks who
// shows it (notebook.ts), over a channel that nobody else has.
import { HERE, type HostMessage, type KeptMark, type PageMessage } from "./orders";

type Taker = (bytes: Uint8Array) => void;

const waiting = new Map<string, Taker>();
const NAME = /^[a-z]+(-[0-9]{5})?$/;

function bytesOf(base64: string): Uint8Array {
  const direct = Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array };
  if (direct.fromBase64 !== undefined) return direct.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return bytes;
}

/** What each part calls. */
function take(name: string, base64: string): void {
  const taker = waiting.get(name);
  waiting.delete(name);
  if (taker !== undefined) taker(bytesOf(base64));
}

(window as unknown as { medfunctaPart: typeof take }).medfunctaPart = take;

/** The notebook that shows this page. */
export class Host {
  private readonly asked = new Map<string, { take: Taker; fail: (error: Error) => void }>();

  constructor(
    private readonly port: MessagePort,
    /** Marks that the notebook holds. */
    readonly marks: KeptMark[],
  ) {
    port.onmessage = (event: MessageEvent<HostMessage>) => this.answered(event.data);
  }

  /** Wait for the channel that the notebook sends once it hears from the page. */
  static join(): Promise<Host> {
    return new Promise((resolve) => {
      const listen = (event: MessageEvent): void => {
        if (event.source !== window.parent || event.ports.length !== 1) return;
        window.removeEventListener("message", listen);
        resolve(new Host(event.ports[0], (event.data as { marks: KeptMark[] }).marks));
      };
      window.addEventListener("message", listen);
      window.parent.postMessage(HERE, "*");
    });
  }

  part(name: string): Promise<Uint8Array> {
    return new Promise((take, fail) => {
      this.asked.set(name, { take, fail });
      this.tell({ part: name });
    });
  }

  keep(marks: KeptMark[]): void {
    this.tell({ marks });
  }

  private tell(message: PageMessage): void {
    this.port.postMessage(message);
  }

  private answered(message: HostMessage): void {
    const waiting = this.asked.get(message.part);
    this.asked.delete(message.part);
    if (message.bytes !== undefined) waiting?.take(new Uint8Array(message.bytes));
    else waiting?.fail(new Error(message.error ?? "the notebook gave no answer"));
  }
}

let host: Host | null = null;

/** The notebook that shows this page; null for a page of its own. */
export const notebook = (): Host | null => host;

/** Find out where parts come from. */
export async function openStore(): Promise<void> {
  if (document.documentElement.dataset.notebook !== undefined) host = await Host.join();
}

/** The bytes of a part; it is loaded each time, so who wants to keep it does. */
export function loadPart(name: string): Promise<Uint8Array> {
  if (!NAME.test(name)) return Promise.reject(new Error("a part with an unknown name"));
  if (host !== null) return host.part(name);
  return new Promise((resolve, reject) => {
    const script = document.createElement("script");
    const done = (): void => script.remove();
    waiting.set(name, (bytes) => {
      done();
      resolve(bytes);
    });
    script.onerror = () => {
      waiting.delete(name);
      done();
      reject(new Error(`the file data/${name}.js is missing; copy the whole folder again`));
    };
    script.src = `data/${name}.js`;
    document.head.append(script);
  });
}

/** The bytes of a part that was packed with gzip. */
export async function loadPacked(name: string): Promise<ArrayBuffer> {
  const packed = await loadPart(name);
  const stream = new Blob([packed as BlobPart]).stream();
  return new Response(stream.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}
