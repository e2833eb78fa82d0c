/** The WebSocket to the coordinator. */

/** See `WEBSOCKET_SUBPROTOCOL` in `runnel-protocol`. */
const SUBPROTOCOL = "runnel.1";
/** Bytes that may wait to be sent; beyond that the coordinator is as good as gone. */
const MOST_BUFFERED = 1024 * 1024;

export interface CoordinatorListener {
  connected(): void;
  /** `false`: this is no message. */
  message(bytes: Uint8Array): boolean;
  lost(): void;
}

export class Coordinator {
  readonly #listener: CoordinatorListener;
  #socket: WebSocket | null = null;

  constructor(listener: CoordinatorListener) {
    this.#listener = listener;
  }

  connect(url: string): void {
    this.close();
    // Not at once: whoever asked is still busy, and a bad URL throws.
    queueMicrotask(() => this.#open(url));
  }

  send(bytes: Uint8Array<ArrayBuffer>): void {
    const socket = this.#socket;
    if (socket?.readyState !== WebSocket.OPEN) return;
    if (socket.bufferedAmount > MOST_BUFFERED) socket.close();
    else socket.send(bytes);
  }

  close(): void {
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #open(url: string): void {
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, SUBPROTOCOL);
    } catch {
      return this.#listener.lost();
    }
    this.#socket = socket;
    socket.binaryType = "arraybuffer";
    const current = () => this.#socket === socket;
    socket.onopen = () => current() && this.#listener.connected();
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      if (!current()) return;
      const understood =
        data instanceof ArrayBuffer && this.#listener.message(new Uint8Array(data));
      if (!understood) socket.close();
    };
    socket.onclose = () => {
      if (!current()) return;
      this.#socket = null;
      this.#listener.lost();
    };
  }
}
