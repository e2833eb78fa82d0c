/** Addresses as the engine writes them, as hosts of a URL. */

/** Bytes of an IPv6 address and a port. */
export const ENDPOINT = 18;
/** Where IPv4 lies in an IPv6 address: ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). */
const MAPPED = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

/** `address:port`, IPv6 in brackets. */
export function hostOf(endpoint: Uint8Array): string {
  const view = new DataView(endpoint.buffer, endpoint.byteOffset, ENDPOINT);
  const port = view.getUint16(16);
  if (MAPPED.every((byte, at) => endpoint[at] === byte)) {
    return `${endpoint.subarray(12, 16).join(".")}:${port}`;
  }
  const groups = Array.from({ length: 8 }, (_, at) => view.getUint16(2 * at).toString(16));
  return `[${groups.join(":")}]:${port}`;
}
