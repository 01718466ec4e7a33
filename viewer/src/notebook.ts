// Shows the page of a view below a cell of a notebook, as a widget of anywidget's. The page lives in a
// frame that has no origin and the page's own policy; it gets its parts from Python over a channel, and
// Python gets the marks.
import { HERE, type HostMessage, type PageMessage } from "./orders";

/** What anywidget hands over. */
interface Model {
  get(name: string): unknown;
  set(name: string, value: unknown): void;
  save_changes(): void;
  send(content: unknown): void;
  on(name: string, listener: FromPython): void;
  off(name: string, listener: FromPython): void;
}

type FromPython = (content: Content, buffers?: DataView[]) => void;

interface Content {
  view: string;
  part: string;
  error?: string;
}

/** Milliseconds that Python has for the page itself. */
const PATIENCE = 20_000;

function bytesOf(buffers: DataView[] | undefined): ArrayBuffer | undefined {
  const found = buffers?.[0];
  if (found === undefined) return undefined;
  return new Uint8Array(found.buffer, found.byteOffset, found.byteLength).slice().buffer as ArrayBuffer;
}

/** The frame, in an element that can be drawn taller, and what is said until there is a page. */
function frameIn(element: HTMLElement, height: number): [HTMLIFrameElement, HTMLElement] {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts allow-downloads");
  frame.title = "MedFuncta: a latent set";
  Object.assign(frame.style, { border: "0", display: "block", height: "100%", width: "100%" });
  const said = document.createElement("div");
  said.textContent = "Reading…";
  const box = document.createElement("div");
  const look = { height: `${height}px`, overflow: "hidden", resize: "vertical", width: "100%" };
  Object.assign(box.style, look, { border: "1px solid #8886" });
  box.append(said, frame);
  element.replaceChildren(box);
  return [frame, said];
}

function render({ model, el }: { model: Model; el: HTMLElement }): () => void {
  const view = `${Date.now()}-${Math.random()}`; // one widget may be shown below several cells
  const [frame, said] = frameIn(el, Number(model.get("height")));
  let port: MessagePort | null = null;

  const fromPython: FromPython = (content, buffers) => {
    if (content.view !== view) return;
    const bytes = bytesOf(buffers);
    if (content.part === "page") {
      said.remove();
      clearTimeout(waiting);
      frame.srcdoc = new TextDecoder().decode(bytes);
      return;
    }
    const answer: HostMessage = { part: content.part, bytes, error: content.error };
    port?.postMessage(answer, bytes === undefined ? [] : [bytes]);
  };

  const fromPage = (message: PageMessage): void => {
    if ("part" in message) {
      model.send({ view, part: message.part });
      return;
    }
    model.set("marks", message.marks);
    model.save_changes();
  };

  const join = (event: MessageEvent): void => {
    if (event.source === null || event.source !== frame.contentWindow || event.data !== HERE) return;
    port?.close();
    const channel = new MessageChannel();
    port = channel.port1;
    port.onmessage = (asked: MessageEvent<PageMessage>) => fromPage(asked.data);
    frame.contentWindow.postMessage({ marks: model.get("marks") }, "*", [channel.port2]);
  };

  const waiting = setTimeout(() => {
    said.textContent = "Python gives no answer: run the cell again to see its page.";
  }, PATIENCE);
  window.addEventListener("message", join);
  model.on("msg:custom", fromPython);
  model.send({ view, part: "page" });
  return () => {
    clearTimeout(waiting);
    window.removeEventListener("message", join);
    model.off("msg:custom", fromPython);
    port?.close();
  };
}

export default { render };
