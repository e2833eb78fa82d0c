/** What hls.js cannot get over by itself: said in words, and tried again. */

import Hls, { ErrorDetails, ErrorTypes, type ErrorData } from "hls.js";

/** Longest wait between two attempts, in milliseconds; the first one is a quarter of a second. */
const LONGEST_WAIT_MS = 8_000;
const FIRST_WAIT_MS = 250;

/** Restarts loading or decoding after fatal errors, and keeps the viewer informed. */
export function recoverFromErrors(hls: Hls, onTrouble: (words: string | null) => void): void {
  let wait = FIRST_WAIT_MS;
  let closed = false;
  hls.on(Hls.Events.DESTROYING, () => (closed = true));
  hls.on(Hls.Events.FRAG_BUFFERED, () => {
    wait = FIRST_WAIT_MS;
    onTrouble(null);
  });
  hls.on(Hls.Events.ERROR, (_event, data) => {
    if (!data.fatal) return;
    onTrouble(describe(data));
    setTimeout(() => closed || retry(hls, data), wait);
    wait = Math.min(wait * 2, LONGEST_WAIT_MS);
  });
}

function retry(hls: Hls, { type, details }: ErrorData): void {
  if (type === ErrorTypes.MEDIA_ERROR) hls.recoverMediaError();
  else if (details.startsWith("manifest") && hls.url) hls.loadSource(hls.url);
  else hls.startLoad();
}

function describe({ type, details, response }: ErrorData): string {
  if (details === ErrorDetails.MANIFEST_INCOMPATIBLE_CODECS_ERROR)
    return "This browser cannot decode any rendition of this stream.";
  if (details === ErrorDetails.MANIFEST_PARSING_ERROR)
    return "What the stream's address answers is no HLS playlist.";
  if (type === ErrorTypes.MEDIA_ERROR) return "The decoder stumbled. Starting it again…";
  if (type !== ErrorTypes.NETWORK_ERROR) return `The player stopped (${details}). Trying again…`;
  const status = response?.code ? ` It answered ${response.code}.` : " It does not answer.";
  return `The stream cannot be reached.${status} Trying again…`;
}
