/** A link to another peer, whatever carries it. */

export type Bytes = Uint8Array<ArrayBuffer>;

/** What a link tells. After `closed` or `failed` it tells nothing more. */
export interface LinkListener {
  connected(): void;
  failed(): void;
  /** -1 where the other end gave no code. */
  closed(code: number): void;
  control(bytes: Uint8Array): void;
  bulk(stream: number, bytes: Uint8Array): void;
  bulkEnded(stream: number): void;
}

/** A link that was dialled; the other end opens the control stream. */
export interface Link {
  /** Writes to the control stream. */
  send(bytes: Bytes): void;
  close(code: number): void;
  /** Opens a stream to write on and writes `header`; lower `order` goes first. */
  openBulk(bulk: number, header: Bytes, order: number): void;
  /** Resolves when `frame` is on its way, or never will be. */
  writeBulk(bulk: number, frame: Bytes): Promise<void>;
  endBulk(bulk: number, inOrder: boolean): void;
  /** Tells the sender of an arriving stream to stop. */
  stopStream(stream: number): void;
  /**
   * Round trip in milliseconds, with what the other end took to check who we are; `null` before.
   * Chromium's WebTransport has no `getStats`, so the handshake is measured.
   */
  readonly roundTrip: number | null;
}

/** How long the first answer to our first words took. */
export class HandshakeTimer {
  #said: number | null = null;
  #answered: number | null = null;

  said(): void {
    this.#said ??= performance.now();
  }

  heard(): void {
    if (this.#said !== null) this.#answered ??= performance.now() - this.#said;
  }

  get ms(): number | null {
    return this.#answered;
  }
}
