/** A link by WebTransport. */

import { HandshakeTimer, type Bytes, type Link, type LinkListener } from "./link.js";

type Writer = WritableStreamDefaultWriter<Uint8Array>;

/** Path of the WebTransport door, see `WEBTRANSPORT_PATH` in `runnel-protocol`. */
const PATH = "/runnel/1";
/** Milliseconds that one address may take while others are left to try. */
const TRY_FOR = 2000;
/** Bytes read at a time: a chunk's frame fits in two reads. */
const READ = 64 * 1024;

export class WebTransportLink implements Link {
  readonly #listener: LinkListener;
  readonly #readers = new Map<number, ReadableStreamBYOBReader>();
  readonly #bulks = new Map<number, Promise<Writer | undefined>>();
  readonly #gotControl: (writer: Writer) => void;
  #transport: WebTransport | null = null;
  #over = false;
  readonly #timer = new HandshakeTimer();
  #streams = 0;
  /** Writes on the control stream, one after another. */
  #control: Promise<Writer>;

  constructor(hosts: string[], certificates: Bytes[], listener: LinkListener) {
    this.#listener = listener;
    let gotControl = (_: Writer) => {};
    this.#control = new Promise((resolve) => (gotControl = resolve));
    this.#gotControl = gotControl;
    void this.#run(hosts, certificates);
  }

  send(bytes: Bytes): void {
    this.#control = this.#control.then(async (writer) => {
      this.#timer.said();
      await writer.write(bytes).catch(ignore);
      return writer;
    });
  }

  close(code: number): void {
    this.#over = true;
    try {
      this.#transport?.close({ closeCode: code, reason: "" });
    } catch {
      // Not yet connected, or closed already: there is nobody to tell.
    }
  }

  openBulk(bulk: number, header: Bytes, order: number): void {
    this.#bulks.set(bulk, this.#openBulk(header, order).catch(ignore));
  }

  async writeBulk(bulk: number, frame: Bytes): Promise<void> {
    const writer = await this.#bulks.get(bulk);
    await writer?.write(frame).catch(ignore);
  }

  endBulk(bulk: number, inOrder: boolean): void {
    const opened = this.#bulks.get(bulk);
    this.#bulks.delete(bulk);
    void opened?.then((writer) => (inOrder ? writer?.close() : writer?.abort())).catch(ignore);
  }

  stopStream(stream: number): void {
    this.#readers.get(stream)?.cancel().catch(ignore);
  }

  get roundTrip(): number | null {
    return this.#timer.ms;
  }

  async #openBulk(header: Bytes, order: number): Promise<Writer | undefined> {
    const options = { sendOrder: -order } as WebTransportSendStreamOptions;
    const stream = await this.#transport?.createUnidirectionalStream(options);
    const writer = stream?.getWriter();
    await writer?.write(header);
    return writer;
  }

  async #run(hosts: string[], certificates: Bytes[]): Promise<void> {
    const transport = await this.#dial(hosts, certificates);
    if (this.#over) return transport?.close();
    if (!transport) return this.#end(() => this.#listener.failed());
    this.#transport = transport;
    this.#listener.connected();
    void this.#readControl(transport);
    void this.#acceptBulks(transport);
    const code = await transport.closed.then(
      (info) => info.closeCode ?? -1,
      () => -1,
    );
    this.#end(() => this.#listener.closed(code));
  }

  #end(tell: () => void): void {
    if (this.#over) return;
    this.#over = true;
    tell();
  }

  async #dial(hosts: string[], certificates: Bytes[]): Promise<WebTransport | null> {
    const hashes = certificates.map((value) => ({ algorithm: "sha-256", value }));
    for (const [index, host] of hosts.entries()) {
      // Not at once: whoever asked for this link is still busy.
      await null;
      if (this.#over) return null;
      try {
        const transport = new WebTransport(`https://${host}${PATH}`, {
          serverCertificateHashes: hashes,
          congestionControl: "throughput",
        });
        transport.closed.catch(ignore);
        this.#transport = transport;
        const isLast = index === hosts.length - 1;
        await (isLast ? transport.ready : within(transport.ready, TRY_FOR));
        return transport;
      } catch {
        this.#transport = null;
      }
    }
    return null;
  }

  async #readControl(transport: WebTransport): Promise<void> {
    const streams = transport.incomingBidirectionalStreams.getReader();
    const { value: stream } = await streams.read().catch(nothing);
    if (!stream) return;
    this.#gotControl(stream.writable.getWriter());
    await this.#pump(stream.readable, null, (bytes) => {
      this.#timer.heard();
      this.#listener.control(bytes);
    });
  }

  async #acceptBulks(transport: WebTransport): Promise<void> {
    const streams = transport.incomingUnidirectionalStreams.getReader();
    for (;;) {
      const { value: stream } = await streams.read().catch(nothing);
      if (!stream) return;
      void this.#readBulk(stream, ++this.#streams);
    }
  }

  async #readBulk(stream: ReadableStream<Uint8Array>, number: number): Promise<void> {
    await this.#pump(stream, number, (bytes) => this.#listener.bulk(number, bytes));
    this.#readers.delete(number);
    if (!this.#over) this.#listener.bulkEnded(number);
  }

  /** Reads a stream to its end into one buffer that is used over and over. */
  async #pump(
    stream: ReadableStream<Uint8Array>,
    number: number | null,
    take: (bytes: Uint8Array) => void,
  ): Promise<void> {
    const reader = stream.getReader({ mode: "byob" });
    if (number !== null) this.#readers.set(number, reader);
    let buffer = new ArrayBuffer(READ);
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(buffer)).catch(nothing);
      if (done || !value || this.#over) return;
      take(value);
      buffer = value.buffer as ArrayBuffer;
    }
  }
}

/** A stream that broke ends like any other: the peer's core judges what it has got. */
const nothing = () => ({ value: undefined, done: true as const });
const ignore = () => undefined;

function within<T>(promise: Promise<T>, ms: number): Promise<T> {
  const late = new Promise<never>((_, reject) => setTimeout(reject, ms));
  return Promise.race([promise, late]);
}
