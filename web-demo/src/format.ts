/** Numbers as people read them. */

/** Bytes with a decimal unit: `740 kB`, `12.4 MB`. */
export function bytes(count: number): string {
  if (count < 1_000) return `${Math.round(count)} B`;
  return scaled(count, ["kB", "MB", "GB", "TB"]);
}

/** A rate in bits per second, from bytes per second: `480 kbit/s`, `2.1 Mbit/s`. */
export function rate(bytesPerSecond: number): string {
  const bits = bytesPerSecond * 8;
  if (bits < 1_000) return bits < 1 ? "0 kbit/s" : "<1 kbit/s";
  return scaled(bits, ["kbit/s", "Mbit/s", "Gbit/s"]);
}

/** A share of a whole, without decimals and without claiming a full 100 % or 0 % that is not. */
export function percent(part: number, whole: number): string {
  if (whole <= 0) return "–";
  const share = (100 * part) / whole;
  if (share > 99 && share < 100) return ">99 %";
  if (share > 0 && share < 1) return "<1 %";
  return `${Math.round(share)} %`;
}

/** Seconds with one decimal below a minute, else minutes and seconds. */
export function seconds(value: number): string {
  if (value < 60) return `${value.toFixed(1)} s`;
  return `${Math.floor(value / 60)} min ${Math.round(value % 60)} s`;
}

/** Time of day with seconds, in the reader's own manner. */
export function clock(date: Date): string {
  return date.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** The part of an id that people can compare at a glance. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}

function scaled(value: number, units: [string, ...string[]]): string {
  let unit = 0;
  let amount = value / 1_000;
  // 999.5 and not 1,000: what would be printed as four digits takes the next unit.
  while (amount >= 999.5 && unit < units.length - 1) {
    amount /= 1_000;
    unit += 1;
  }
  const digits = amount < 9.95 && unit > 0 ? 1 : 0;
  return `${amount.toFixed(digits)} ${units[unit] ?? units[0]}`;
}
