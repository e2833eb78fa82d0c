/** A link by WebRTC: two data channels that the page has made and handed over (`page/calls.ts`). */

import { Kind, decodeFrame, encodeFrame, pieces } from "./frames.js";
import { HandshakeTimer, type Bytes, type Link, type LinkListener } from "./link.js";

/** Bytes of media that may wait in the browser: what it has taken cannot be overtaken by something more urgent. */
const MOST_BUFFERED = 256 * 1024;
/** The browser asks for more when this much is left. */
const LOW = MOST_BUFFERED / 2;
/** Bytes that may wait on the control channel; beyond that the other end is as good as gone. */
const MOST_CONTROL = 1024 * 1024;
/** Number of the control stream. */
const CONTROL = 0;

/** A stream that is being written. */
interface Outgoing {
  stream: number;
  order: number;
  /** Frames that wait, and who waits for the last of a write. */
  waiting: { frame: Bytes; written: () => void }[];
  ended: boolean;
}

/** The page's side of a call. */
export interface Caller {
  /** Has the page connect, and hand over `control` and `bulk` by {@link WebRtcLink.channels}. */
  call(): void;
  hangUp(): void;
}

export class WebRtcLink implements Link {
  readonly #listener: LinkListener;
  readonly #caller: Caller;
  readonly #bulks = new Map<number, Outgoing>();
  readonly #incoming = new Set<number>();
  readonly #timer = new HandshakeTimer();
  #control: RTCDataChannel | null = null;
  #bulk: RTCDataChannel | null = null;
  #isOpen = false;
  #over = false;
  #streams = 0;

  constructor(caller: Caller, listener: LinkListener) {
    this.#listener = listener;
    this.#caller = caller;
    caller.call();
  }

  /** The channels that the page has made; they open when the call is answered. */
  channels(control: RTCDataChannel, bulk: RTCDataChannel): void {
    if (this.#over) return;
    this.#control = control;
    this.#bulk = bulk;
    bulk.bufferedAmountLowThreshold = LOW;
    bulk.onbufferedamountlow = () => this.#pump();
    for (const channel of [control, bulk]) {
      channel.binaryType = "arraybuffer";
      channel.onopen = () => this.#opened();
      channel.onclose = () => this.lost();
      channel.onmessage = ({ data }: MessageEvent<unknown>) => this.#hear(data);
    }
    this.#opened();
  }

  /** The call came to nothing, or broke. */
  lost(): void {
    if (this.#isOpen) this.#end(() => this.#listener.closed(-1));
    else this.#end(() => this.#listener.failed());
  }

  send(bytes: Bytes): void {
    this.#timer.said();
    for (const piece of pieces(bytes)) this.#say(encodeFrame(Kind.Data, CONTROL, piece));
    if ((this.#control?.bufferedAmount ?? 0) > MOST_CONTROL) this.lost();
  }

  close(code: number): void {
    if (this.#over) return;
    this.#say(encodeFrame(Kind.Close, code));
    this.#end(() => {});
  }

  openBulk(bulk: number, header: Bytes, order: number): void {
    const outgoing = { stream: ++this.#streams, order, waiting: [], ended: false };
    this.#bulks.set(bulk, outgoing);
    this.#write(outgoing, header, () => {});
  }

  writeBulk(bulk: number, frame: Bytes): Promise<void> {
    const outgoing = this.#bulks.get(bulk);
    if (!outgoing || this.#over) return Promise.resolve();
    return new Promise((resolve) => this.#write(outgoing, frame, resolve));
  }

  endBulk(bulk: number, inOrder: boolean): void {
    const outgoing = this.#bulks.get(bulk);
    if (!outgoing) return;
    if (inOrder) outgoing.ended = true;
    else this.#abort(bulk, outgoing);
    this.#pump();
  }

  stopStream(stream: number): void {
    if (this.#incoming.has(stream)) this.#say(encodeFrame(Kind.Stop, stream));
  }

  get roundTrip(): number | null {
    return this.#timer.ms;
  }

  #opened(): void {
    const open = this.#control?.readyState === "open" && this.#bulk?.readyState === "open";
    if (!open || this.#isOpen || this.#over) return;
    this.#isOpen = true;
    this.#listener.connected();
  }

  #hear(data: unknown): void {
    if (this.#over) return;
    // What the other end says may come before the other channel's word that it is open.
    if (!this.#isOpen) this.#opened();
    const frame = data instanceof ArrayBuffer ? decodeFrame(data) : null;
    if (!frame) return this.lost();
    const { kind, number, bytes } = frame;
    switch (kind) {
      case Kind.Data:
        if (number === CONTROL) {
          this.#timer.heard();
          return this.#listener.control(bytes);
        }
        this.#incoming.add(number);
        return this.#listener.bulk(number, bytes);
      case Kind.End:
      case Kind.Reset:
        if (this.#incoming.delete(number)) this.#listener.bulkEnded(number);
        return;
      case Kind.Stop:
        for (const [bulk, outgoing] of this.#bulks) {
          if (outgoing.stream === number) this.#abort(bulk, outgoing);
        }
        return;
      case Kind.Close:
        this.#end(() => this.#listener.closed(number));
    }
  }

  #write(outgoing: Outgoing, bytes: Bytes, written: () => void): void {
    const all = pieces(bytes);
    all.forEach((piece, at) => {
      const frame = encodeFrame(Kind.Data, outgoing.stream, piece);
      outgoing.waiting.push({ frame, written: at === all.length - 1 ? written : () => {} });
    });
    this.#pump();
  }

  /** Gives the browser what it takes, the most urgent stream first. */
  #pump(): void {
    const channel = this.#bulk;
    while (channel?.readyState === "open" && channel.bufferedAmount < MOST_BUFFERED) {
      const [bulk, outgoing] = this.#mostUrgent() ?? [];
      if (bulk === undefined || !outgoing) return;
      const next = outgoing.waiting.shift();
      if (next) {
        channel.send(next.frame);
        next.written();
      } else {
        this.#bulks.delete(bulk);
        channel.send(encodeFrame(Kind.End, outgoing.stream));
      }
    }
  }

  #mostUrgent(): [number, Outgoing] | undefined {
    let best: [number, Outgoing] | undefined;
    for (const entry of this.#bulks) {
      const [, { waiting, ended, order }] = entry;
      const isReady = waiting.length > 0 || ended;
      if (isReady && (!best || order < best[1].order)) best = entry;
    }
    return best;
  }

  #abort(bulk: number, outgoing: Outgoing): void {
    this.#bulks.delete(bulk);
    if (this.#bulk?.readyState === "open") this.#bulk.send(encodeFrame(Kind.Reset, outgoing.stream));
    for (const { written } of outgoing.waiting) written();
  }

  #say(frame: Bytes): void {
    if (this.#control?.readyState === "open") this.#control.send(frame);
  }

  #end(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    this.#caller.hangUp();
    for (const { waiting } of this.#bulks.values()) waiting.forEach(({ written }) => written());
    this.#bulks.clear();
    tell();
  }
}
