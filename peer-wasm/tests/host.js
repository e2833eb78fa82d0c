/** A host that writes down what it is asked for. Time stands still. */
export function recordingHost() {
  const calls = [];
  const record = (_, name) => {
    if (name === "calls") return calls;
    if (name === "now") return () => 1_800_000_000_000;
    return () => void calls.push(name);
  };
  return new Proxy({}, { get: record });
}

export function asked(host, name) {
  return host.calls.filter((call) => call === name).length;
}

/** A want as the page writes it. */
export function anyWant() {
  return {
    id: 1,
    audio: false,
    sn: 7,
    url: "https://cdn.example/7.ts",
    rangeStart: 0,
    rangeEnd: 0,
    dueIn: 4000,
    duration: 2000,
    live: true,
    urgent: false,
    track: { media: "", first: "800000", second: "640x360", third: "" },
    cdnTook: 40,
  };
}
