/**
 * Runnel in a page: `new (withPeers(Hls))({ p2p: { coordinator, consent: true } })` plays what
 * `new Hls()` plays, with other viewers' machines carrying the bytes, proven chunk by chunk.
 */

import type Hls from "hls.js";
import type { HlsConfig } from "hls.js";
import { fragmentLoader, type FragmentLoaderClass } from "./page/fragment-loader.js";
import type { P2pOptions } from "./page/options.js";
import { P2p } from "./page/session.js";

export type { ConsentOption, P2pOptions, TokenOption, TokenRequest } from "./page/options.js";
export type { P2p } from "./page/session.js";
export type * from "./stats.js";

/** hls.js' configuration with ours beside it. Without `p2p` the player is plain hls.js. */
export type ConfigWithPeers = Partial<HlsConfig> & { p2p?: P2pOptions };

/** A player with peers. */
export interface HlsWithPeers extends Hls {
  /** The peer session: statistics, events, consent. `null` where no `p2p` was configured. */
  readonly p2p: P2p | null;
}

/** The class that {@link withPeers} makes. */
export type HlsWithPeersClass = Omit<typeof Hls, "prototype"> & {
  new (config?: ConfigWithPeers): HlsWithPeers;
  readonly prototype: HlsWithPeers;
};

/** hls.js' player class with peers. `Base` is the site's own hls.js, 1.7 or newer. */
export function withPeers(Base: typeof Hls): HlsWithPeersClass {
  class WithPeers extends Base {
    readonly p2p: P2p | null;

    constructor({ p2p: options, ...config }: ConfigWithPeers = {}) {
      const session = options ? new P2p(options) : null;
      super(session ? { ...config, fLoader: loaderFor(session, config, Base) } : config);
      this.p2p = session;
      session?.attach(this, Base);
    }

    override destroy(): void {
      super.destroy();
      this.p2p?.detach();
    }
  }
  return WithPeers;
}

function loaderFor(session: P2p, config: Partial<HlsConfig>, Base: typeof Hls) {
  const plain = config.fLoader ?? config.loader ?? Base.DefaultConfig.loader;
  return fragmentLoader(session, plain as FragmentLoaderClass);
}
