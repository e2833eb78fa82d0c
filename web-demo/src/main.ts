/** The viewer page: one player, and around it what is known about where its bytes come from. */

import Hls from "hls.js";
import type { RunnelStats } from "runnel";
import "./style/index.css";
import { byId, setText } from "./dom";
import { remember, type Hook } from "./hook";
import { Stalls } from "./observe/stalls";
import { openSession, type Session } from "./play/session";
import { playNatively } from "./play/native";
import { playAtOnce } from "./play/start";
import { offerSound } from "./play/unmute";
import { readSettings, type Settings, type Stream } from "./settings";
import { askForStream } from "./view/ask";
import { ConsentSwitches } from "./view/consent";
import { Decisions } from "./view/decisions";
import { Explain } from "./view/explain";
import { Friends } from "./view/friends";
import { Panels } from "./view/panels";
import { offerQualities } from "./view/quality";
import { offerStreams } from "./view/streams";
import { offerThemes } from "./view/theme";

class Page {
  private readonly video = byId<HTMLVideoElement>("video");
  private readonly stalls = new Stalls(this.video);
  private readonly panels = new Panels();
  private readonly decisions = new Decisions(byId("decisions"));
  private readonly explain = new Explain(byId("explain"), byId("explanation"));
  private readonly friends = new Friends(byId("self"));
  private readonly consent: ConsentSwitches;
  private readonly hook = this.exposeHook();
  private session: Session | null = null;
  private forgetQualities = () => {};

  constructor(private readonly settings: Settings) {
    this.consent = new ConsentSwitches(settings.consent, (consent) => this.session?.setConsent(consent));
    this.video.addEventListener("playing", (event) => (this.hook.startupMs ??= event.timeStamp));
    offerSound(this.video, byId("sound"));
  }

  play(stream: Stream): void {
    this.close();
    this.video.autoplay = this.settings.autoplay;
    this.session = openSession(this.video, stream, this.settings, this.consent.value, this.hook.taps, {
      onStats: (stats) => this.show(stats),
      onSegment: (segment) => remember(this.hook.segments, segment),
      onDecision: (name, detail) => this.decisions.add(name, detail),
      onGroup: (group) => this.friends.update(group),
      onTrouble: (words) => this.tellTrouble(words),
    });
    this.hook.hls = this.session.hls;
    if (this.settings.autoplay) playAtOnce(this.session.hls, this.video);
    this.forgetQualities = offerQualities(this.session.hls, byId("quality"));
  }

  tellTrouble(words: string | null): void {
    const banner = byId("trouble");
    setText(banner, words ?? "");
    banner.hidden = words === null;
  }

  private close(): void {
    this.forgetQualities();
    this.session?.close();
    this.stalls.restart(performance.now());
    this.panels.restart();
    this.tellTrouble(null);
  }

  private show(stats: RunnelStats): void {
    if (!this.session) return;
    const { latencySeconds: seconds, at } = stats;
    if (seconds !== null && seconds > 0) remember(this.hook.latency, { at, seconds });
    const { startupMs } = this.hook;
    this.panels.update(this.session.hls, stats, { stalls: this.stalls.count, startupMs });
    const { plain, coordinator } = this.settings;
    this.consent.update(stats, !plain && coordinator !== undefined);
    this.decisions.show(stats.links);
    this.explain.update(coordinator, stats.peer);
  }

  private exposeHook(): Hook {
    const page = this;
    window.__runnel = {
      hls: null,
      segments: [],
      taps: [],
      startupMs: null,
      latency: [],
      get stats() {
        return page.session?.stats() ?? null;
      },
      get stalls() {
        return page.stalls.list;
      },
      get stallCount() {
        return page.stalls.count;
      },
    };
    return window.__runnel;
  }
}

async function main(): Promise<void> {
  const query = new URLSearchParams(location.search);
  offerThemes(byId("theme"), query.get("theme"));
  const settings = await readSettings(query);
  const stream = settings.streams[settings.first];
  if (!stream) return askForStream();
  const page = new Page(settings);
  if (!Hls.isSupported()) return playNatively(byId("video"), stream, (words) => page.tellTrouble(words));
  offerStreams(byId("streams"), settings.streams, settings.first, (chosen) => page.play(chosen));
  page.play(stream);
}

void main();
