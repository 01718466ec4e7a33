// The parts of a view: files of JavaScript that do nothing but hand over bytes, since a page that was
// opened from disk may load scripts and nothing else.

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

/** The bytes of a part; it is loaded each time, so who wants to keep it does. */
export function loadPart(name: string): Promise<Uint8Array> {
  if (!NAME.test(name)) return Promise.reject(new Error("a part with an unknown name"));
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
