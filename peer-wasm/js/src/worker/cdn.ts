/** Fetches from the CDN: whole segments, and parts of them by Range. */

/** Where a segment is. `rangeEnd` is exclusive, 0 where it is the whole resource. */
export interface Place {
  url: string;
  rangeStart: number;
  rangeEnd: number;
}

/** Bytes of a resource, end exclusive. */
export interface Span {
  start: number;
  end: number;
}

/** The bytes to ask for: `length` from `offset` of the segment, all of it where `length` is 0. */
export function spanOf(place: Place, offset: number, length: number): Span | null {
  if (length > 0) {
    const start = place.rangeStart + offset;
    return { start, end: start + length };
  }
  return place.rangeEnd > 0 ? { start: place.rangeStart, end: place.rangeEnd } : null;
}

/**
 * Fetches and gives the bytes out as they come. A server that ignores the range sends everything
 * from its start: what was not asked for is skipped.
 *
 * Rejects when the server refuses, sends another range, or sends too little.
 */
export async function fetchSpan(
  url: string,
  span: Span | null,
  signal: AbortSignal,
  take: (bytes: Uint8Array) => void,
  counted: (bytes: number) => void,
): Promise<void> {
  const headers: HeadersInit = span ? { Range: `bytes=${span.start}-${span.end - 1}` } : {};
  const response = await fetch(url, { headers, signal });
  if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
  let position = span && response.status === 206 ? span.start : 0;
  const start = span?.start ?? 0;
  const end = span?.end ?? Infinity;
  const reader = response.body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    counted(value.byteLength);
    const wanted = value.subarray(clamp(start - position, value), clamp(end - position, value));
    position += value.byteLength;
    if (wanted.byteLength > 0) take(wanted);
    if (position >= end) {
      await reader.cancel().catch(() => undefined);
      return;
    }
  }
  if (span) throw new Error("the CDN sent too little");
}

function clamp(index: number, bytes: Uint8Array): number {
  return Math.min(Math.max(index, 0), bytes.byteLength);
}
