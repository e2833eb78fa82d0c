/**
 * What hls.js was given, hashed as it is handed over: proof that peers changed nothing. Stands
 * between hls.js and whichever loader serves it. FRAG_LOADED would be too late: by then hls.js has
 * given the buffer away to its worker. Costs a hash of every segment, so only with `?tap=1`.
 */

import type Hls from "hls.js";
import type { Fragment, FragmentLoaderContext, HlsConfig } from "hls.js";

/** Segments remembered: eleven hours of two-second segments. */
const REMEMBERED = 20_000;

export interface Tap {
  /** `main`, `audio` or `subtitle`. */
  type: string;
  level: number;
  /** Media sequence number, or `initSegment`. */
  sn: number | "initSegment";
  url: string;
  /** First byte and the one after the last, for a part of a file. */
  range: [number, number] | null;
  bytes: number;
  sha256: string;
}

type LoaderClass = NonNullable<HlsConfig["fLoader"]>;

/** Adds an entry to `taps` for every segment that `hls` gets from here on. */
export function tapInto(hls: Hls, taps: Tap[]): void {
  const loader = hls.config.fLoader ?? (hls.config.loader as LoaderClass);
  hls.config.fLoader = tapped(loader, taps);
}

function tapped(Loader: LoaderClass, taps: Tap[]): LoaderClass {
  return class extends Loader {
    override load(...[context, config, callbacks]: Parameters<InstanceType<LoaderClass>["load"]>) {
      super.load(context, config, {
        ...callbacks,
        onSuccess: (response, stats, its, details) => {
          void remember(taps, its, response.data);
          callbacks.onSuccess(response, stats, its, details);
        },
      });
    }
  };
}

/** The digest takes its copy at once, before hls.js gives the buffer away. */
async function remember(taps: Tap[], context: FragmentLoaderContext, data: unknown): Promise<void> {
  if (!(data instanceof ArrayBuffer)) return;
  const length = data.byteLength;
  const hash = await crypto.subtle.digest("SHA-256", data);
  taps.push(describe(context.frag, length, hash));
  if (taps.length > REMEMBERED) taps.shift();
}

function describe(frag: Fragment, length: number, hash: ArrayBuffer): Tap {
  const [start, end] = frag.byteRange;
  return {
    type: frag.type,
    level: frag.level,
    sn: frag.sn,
    url: frag.url,
    range: start !== undefined && end !== undefined ? [start, end] : null,
    bytes: length,
    sha256: hex(hash),
  };
}

function hex(buffer: ArrayBuffer): string {
  return Array.from(new Uint8Array(buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
