/** Frames on data channels, see `runnel-protocol`'s `channels`: kind u8 | number u32 LE | bytes. */

export const enum Kind {
  Data = 0,
  End = 1,
  Reset = 2,
  Stop = 3,
  Close = 4,
}

const HEADER = 5;
/** Most bytes that one frame carries: `MAX_FRAME`. */
export const MAX_FRAME = 16 * 1024 - HEADER;

export interface Frame {
  kind: number;
  number: number;
  bytes: Uint8Array;
}

export function encodeFrame(kind: Kind, number: number, bytes?: Uint8Array): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEADER + (bytes?.length ?? 0));
  message[0] = kind;
  new DataView(message.buffer).setUint32(1, number, true);
  if (bytes) message.set(bytes, HEADER);
  return message;
}

/** `null` for what is no frame. */
export function decodeFrame(message: ArrayBuffer): Frame | null {
  if (message.byteLength < HEADER || message.byteLength > HEADER + MAX_FRAME) return null;
  const view = new DataView(message);
  const bytes = new Uint8Array(message, HEADER);
  const kind = view.getUint8(0);
  const fits = kind === Kind.Data ? bytes.length > 0 : kind <= Kind.Close && bytes.length === 0;
  return fits ? { kind, number: view.getUint32(1, true), bytes } : null;
}

/** The same bytes in pieces that a frame takes. */
export function pieces(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / MAX_FRAME);
  return Array.from({ length: count }, (_, at) =>
    bytes.subarray(at * MAX_FRAME, (at + 1) * MAX_FRAME),
  );
}
