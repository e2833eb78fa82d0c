/** The page's end of its Worker: starts it, asks it for segments, and never trusts it to answer. */

import type {
  DeliverMessage,
  StartMessage,
  ToPage,
  ToWorker,
  WantMessage,
} from "../messages.js";
import { Calls } from "./calls.js";

/** What becomes of a want. Exactly one of `delivered` and `declined` is called, once. */
export interface WantHandler {
  delivered(message: DeliverMessage): void;
  /** Ask the CDN yourself: no content, no bytes anywhere, or no Worker any more. */
  declined(): void;
  /** The Worker asks the CDN for it, for the whole segment or for a part. */
  askingCdn(whole: boolean): void;
}

/** Everything else that the Worker says. */
export interface WorkerListener {
  heard(message: ToPage): void;
  /** The Worker can do nothing (any more), for this reason. */
  lost(why: string): void;
}

/** Milliseconds in which a living Worker answers a ping. */
const ANSWER_WITHIN = 200;

/** One Worker, from its start to its end. */
export class WorkerLink {
  readonly #worker: Worker;
  readonly #listener: WorkerListener;
  readonly #wants = new Map<number, WantHandler>();
  readonly #calls = new Calls((message, transfer) => this.tell(message, transfer));
  #count = 0;
  #open = true;
  #opened = false;
  #ping: Promise<boolean> | null = null;
  #pong: (() => void) | null = null;

  /** @throws whatever the browser throws where a Worker cannot be made. */
  constructor(url: string | URL | undefined, start: StartMessage, listener: WorkerListener) {
    this.#listener = listener;
    this.#worker = makeWorker(url);
    this.#worker.onmessage = (event: MessageEvent<ToPage>) => this.#hear(event.data);
    this.#worker.onerror = (event) => this.#lose(event.message || "its Worker did not start");
    this.#worker.onmessageerror = () => this.#lose("its Worker sent garbage");
    this.tell(start);
  }

  /** Whether the Worker is worth talking to. */
  get isOpen(): boolean {
    return this.#open;
  }

  /** Whether the Worker knows the content; before that it can only let wants wait. */
  get isOpened(): boolean {
    return this.#opened;
  }

  /** A name for the next want. */
  nextId(): number {
    return ++this.#count;
  }

  tell(message: ToWorker, transfer: Transferable[] = []): void {
    if (this.#open) this.#worker.postMessage(message, transfer);
  }

  want(message: WantMessage, handler: WantHandler): void {
    this.#wants.set(message.id, handler);
    this.tell(message);
  }

  abandon(id: number): void {
    if (this.#wants.delete(id)) this.tell({ kind: "abandon", id });
  }

  /** Whether the Worker answers. One that does not is ended, and every want declined. */
  isAlive(): Promise<boolean> {
    this.#ping ??= this.#askForAnswer().finally(() => (this.#ping = null));
    return this.#ping;
  }

  /**
   * Ends the Worker: at once where `graceMs` is 0, else after that time in which it takes leave.
   */
  close(graceMs: number): void {
    if (!this.#open) return;
    this.tell({ kind: "stop" });
    this.#open = false;
    this.#declineAll();
    if (graceMs > 0) setTimeout(() => this.#endWorker(), graceMs);
    else this.#endWorker();
  }

  #hear(message: ToPage): void {
    if (!this.#open) return;
    switch (message.kind) {
      case "deliver":
        this.#settle(message.id)?.delivered(message);
        break;
      case "declined":
      case "failed":
        this.#settle(message.id)?.declined();
        break;
      case "asking-cdn":
        this.#wants.get(message.id)?.askingCdn(message.whole);
        break;
      case "call":
        this.#calls.call(message);
        break;
      case "hang-up":
        this.#calls.hangUp(message.link);
        break;
      case "pong":
        this.#pong?.();
        break;
      case "unavailable":
        this.#lose(message.why);
        break;
      case "opened":
        this.#opened = true;
        this.#listener.heard(message);
        break;
      default:
        this.#listener.heard(message);
    }
  }

  async #askForAnswer(): Promise<boolean> {
    if (!this.#open) return false;
    const answered = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => resolve(false), ANSWER_WITHIN);
      this.#pong = () => {
        clearTimeout(timer);
        resolve(true);
      };
      this.tell({ kind: "ping" });
    });
    if (!answered) this.#lose("its Worker does not answer");
    return answered;
  }

  #settle(id: number): WantHandler | undefined {
    const handler = this.#wants.get(id);
    this.#wants.delete(id);
    return handler;
  }

  #lose(why: string): void {
    if (!this.#open) return;
    this.#open = false;
    this.#endWorker();
    this.#declineAll();
    this.#listener.lost(why);
  }

  /** The Worker and what it had the page do. */
  #endWorker(): void {
    this.#worker.terminate();
    this.#calls.close();
  }

  #declineAll(): void {
    const handlers = [...this.#wants.values()];
    this.#wants.clear();
    for (const handler of handlers) handler.declined();
  }
}

function makeWorker(url: string | URL | undefined): Worker {
  if (url === undefined) {
    // Written out like this, bundlers see the Worker and carry it along.
    return new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  }
  const absolute = new URL(url, document.baseURI);
  if (absolute.origin === location.origin) return new Worker(absolute, { type: "module" });
  // A Worker's own script must be of the page's origin; what that script imports need not.
  const shim = new Blob([`import ${JSON.stringify(absolute.href)};`], { type: "text/javascript" });
  const shimUrl = URL.createObjectURL(shim);
  const worker = new Worker(shimUrl, { type: "module" });
  setTimeout(() => URL.revokeObjectURL(shimUrl), 10_000);
  return worker;
}
