/** The same snapshot for a page that plays without Runnel: all its bytes come from the CDN. */

import Hls, { type FragLoadedData } from "hls.js";
import type { RunnelStats, SegmentDetail } from "runnel";

export class PlainCounter {
  private cdn = 0;

  constructor(
    private readonly hls: Hls,
    private readonly why: string,
    onSegment: (segment: SegmentDetail) => void,
  ) {
    hls.on(Hls.Events.FRAG_LOADED, (_event, data) => onSegment(this.count(data)));
  }

  stats(): RunnelStats {
    return {
      at: performance.now(),
      mode: "off",
      consent: { peers: false, upload: false },
      coordinator: "off",
      peer: null,
      type: null,
      why: this.why,
      content: null,
      bytes: { cdn: this.cdn, waypoint: 0, peer: 0, uploaded: 0, wasted: 0, control: 0 },
      links: [],
      assignment: null,
      buffer: { seconds: bufferAhead(this.hls.media), memoryBytes: 0 },
      latencySeconds: latency(this.hls),
      stalls: 0,
      strikes: 0,
    };
  }

  private count({ frag, part }: FragLoadedData): SegmentDetail {
    const loaded = (part ?? frag).stats.loaded;
    this.cdn += loaded;
    return {
      sn: typeof frag.sn === "number" ? frag.sn : -1,
      track: `${frag.type} ${frag.level}`,
      cdn: loaded,
      waypoint: 0,
      peer: 0,
      rescued: false,
    };
  }
}

/** Seconds of media after the playhead without a gap. */
export function bufferAhead(media: HTMLMediaElement | null): number {
  if (!media) return 0;
  for (let index = 0; index < media.buffered.length; index += 1) {
    const inside = media.buffered.start(index) <= media.currentTime + 0.1;
    const ahead = media.buffered.end(index) - media.currentTime;
    if (inside && ahead > 0) return ahead;
  }
  return 0;
}

/** Seconds behind the live edge; `null` for what is not live. */
export function latency(hls: Hls): number | null {
  return hls.latestLevelDetails?.live ? hls.latency : null;
}
