/** Fetches for the Worker where only the page knows how: `xhrSetup`, `fetchSetup`, CMCD, own loaders. */

import type { FragmentLoaderContext, HlsConfig, Loader, LoaderContext } from "hls.js";

/** Requests whose want may still be fetched; older ones were answered or given up. */
const MOST_REMEMBERED = 32;

/** Whether plain `fetch` in a Worker would not be what the site configured. */
export function needsPage(config: HlsConfig, defaults: HlsConfig): boolean {
  const { xhrSetup, fetchSetup, cmcd, loader } = config;
  return Boolean(xhrSetup || fetchSetup || cmcd || loader !== defaults.loader);
}

export class PageFetcher {
  readonly #config: HlsConfig;
  readonly #contexts = new Map<number, FragmentLoaderContext>();

  constructor(config: HlsConfig) {
    this.#config = config;
  }

  /** The Worker may ask for this want's bytes. */
  remember(want: number, context: FragmentLoaderContext): void {
    this.#contexts.set(want, { ...context });
    for (const old of this.#contexts.keys()) {
      if (this.#contexts.size <= MOST_REMEMBERED) break;
      this.#contexts.delete(old);
    }
  }

  /** `length` bytes from `offset` of the want's segment; all of it where `length` is 0. */
  fetch(want: number, offset: number, length: number): Promise<ArrayBuffer | null> {
    const known = this.#contexts.get(want);
    if (!known) return Promise.resolve(null);
    const context = { ...known };
    if (length > 0) {
      context.rangeStart = (known.rangeStart ?? 0) + offset;
      context.rangeEnd = context.rangeStart + length;
    }
    return this.#load(context, (bytes) => part(bytes, context.rangeStart ?? 0, length));
  }

  #load(
    context: FragmentLoaderContext,
    cut: (bytes: ArrayBuffer) => ArrayBuffer,
  ): Promise<ArrayBuffer | null> {
    const loader: Loader<LoaderContext> = new this.#config.loader(this.#config);
    const policy = this.#config.fragLoadPolicy.default;
    const loadPolicy = { ...policy, errorRetry: null, timeoutRetry: null };
    const settings = { loadPolicy, timeout: policy.maxLoadTimeMs };
    return new Promise((resolve) => {
      const fail = () => resolve(null);
      loader.load(
        context,
        { ...settings, maxRetry: 0, retryDelay: 0, maxRetryDelay: 0 },
        {
          onSuccess: ({ data }) => resolve(data instanceof ArrayBuffer ? cut(data) : null),
          onError: fail,
          onTimeout: fail,
          onAbort: fail,
        },
      );
    });
  }
}

/** The wanted part, also where the server ignored the range and sent everything. */
function part(bytes: ArrayBuffer, start: number, length: number): ArrayBuffer {
  return length > 0 && bytes.byteLength > length ? bytes.slice(start, start + length) : bytes;
}
