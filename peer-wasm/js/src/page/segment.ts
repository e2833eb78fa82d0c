/** From hls.js' fragments to what the peer calls a segment. */

import type Hls from "hls.js";
import type { Fragment, FragmentLoaderContext } from "hls.js";
import type { TrackText, WantMessage } from "../messages.js";

/** A media playlist as hls.js holds it: a `Level` or a `MediaPlaylist`. */
interface Playlist {
  attrs: Record<string, unknown>;
  details?: { url: string; live: boolean };
}

/** A rendition with a name for people. */
export interface Track {
  text: TrackText;
  label: string;
  live: boolean;
  /** Bits per second, 0 where unknown. */
  bitrate: number;
}

/** Media ahead of the playhead below which a segment is needed at once, in seconds. */
const DRY = 0.1;

/**
 * The rendition that a media segment belongs to. `null` for whatever the origin alone delivers:
 * init segments, parts, subtitles, I-frame playlists.
 */
export function trackOf(hls: Hls, context: FragmentLoaderContext): Track | null {
  const { frag } = context;
  if (context.part || typeof frag.sn !== "number") return null;
  if (frag.type === "main") {
    const level = hls.levels[frag.level];
    if (!level || !isOf(frag, level)) return null;
    const label = level.height ? `${level.height}p` : level.name || "main";
    return track(level, variantText(level.attrs), label, level.bitrate);
  }
  if (frag.type === "audio") {
    const media = hls.audioTracks.find((one) => isOf(frag, one));
    return media ? track(media, mediaText(media.attrs), media.name, media.bitrate) : null;
  }
  return null;
}

function isOf(frag: Fragment, playlist: Playlist): boolean {
  return playlist.details?.url === frag.baseurl;
}

function track(playlist: Playlist, text: TrackText, label: string, bitrate: number): Track {
  return { text, label, live: playlist.details?.live ?? false, bitrate: bitrate || 0 };
}

/** `EXT-X-STREAM-INF`; all empty for a media playlist that stands alone. */
export function variantText(attrs: Record<string, unknown>): TrackText {
  const [first, second, third] = texts(attrs, ["BANDWIDTH", "RESOLUTION", "CODECS"]);
  return { media: "", first, second, third };
}

/** `EXT-X-MEDIA`. */
export function mediaText(attrs: Record<string, unknown>): TrackText {
  const [media, first, second, third] = texts(attrs, ["TYPE", "GROUP-ID", "NAME", "LANGUAGE"]);
  return { media, first, second, third };
}

function texts<const Names extends readonly string[]>(
  attrs: Record<string, unknown>,
  names: Names,
): { [K in keyof Names]: string } {
  return names.map((name) => String(attrs[name] ?? "")) as { [K in keyof Names]: string };
}

/** How far playback is from needing media, as the page sees it now. */
export interface Playhead {
  /** Seconds on the media timeline. */
  position: number;
  /** Seconds of media ahead of it. */
  buffered: number;
  /** Speed; 0 while paused at speed zero. */
  rate: number;
}

/** The player's playhead; all zero while no media element is attached. */
export function playheadOf(hls: Hls): Playhead {
  const media = hls.media;
  if (!media) return { position: 0, buffered: 0, rate: 1 };
  const buffered = hls.mainForwardBufferInfo?.len ?? 0;
  return { position: media.currentTime, buffered, rate: Math.abs(media.playbackRate) || 1 };
}

/**
 * Milliseconds until the player runs dry at the start of `frag` (seconds on the media timeline).
 * The buffer bounds it, since before the first frame the playhead may stand anywhere. What begins
 * before the playhead and is buffered comes again in a better rendition, as hls.js does at the
 * start: that adds nothing to the buffer, and the next segment, which has to be there when it ends, is
 * asked for afterwards. Each may take half of the time.
 */
export function dueIn(frag: Pick<Fragment, "start" | "type">, playhead: Playhead): number {
  const ahead = frag.start - playhead.position;
  const again = frag.type === "main" && ahead <= 0;
  const left = again ? playhead.buffered / 2 : Math.min(ahead, playhead.buffered);
  return (Math.max(0, left) / playhead.rate) * 1000;
}

/** Whether a segment is the first after a start or a seek: the player has nothing to show. */
export function isUrgent(playhead: Playhead): boolean {
  return playhead.buffered <= DRY;
}

/** The want for the segment that hls.js asks for. */
export function wantOf(
  id: number,
  context: FragmentLoaderContext,
  track: Track,
  playhead: Playhead,
  cdnTook: number,
  startWait: number,
): WantMessage {
  const { frag } = context;
  const urgent = isUrgent(playhead);
  const mayWait = urgent ? startWait : 0;
  return {
    kind: "want",
    id,
    audio: frag.type === "audio",
    sn: frag.sn as number,
    // Not context.url: CMCD and the like rewrite that one.
    url: frag.url ?? context.url,
    rangeStart: frag.byteRangeStartOffset ?? 0,
    rangeEnd: frag.byteRangeEndOffset ?? 0,
    dueIn: Math.max(dueIn(frag, playhead), mayWait),
    duration: frag.duration * 1000,
    live: track.live,
    urgent,
    mayWait,
    track: track.text,
    cdnTook,
  };
}
