/** Numbers and times as people read them. What is not known is a dash. */
const NONE = "–";

export function countText(count: number | null): string {
  if (count === null) return NONE;
  return Number.isInteger(count) ? String(count).replace(/\B(?=(\d{3})+$)/g, ",") : count.toFixed(1);
}

export function secondsText(seconds: number | null): string {
  if (seconds === null) return NONE;
  if (seconds < 10) return `${seconds.toFixed(2)} s`;
  if (seconds < 120) return `${seconds.toFixed(seconds < 60 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function ageText(seconds: number | null): string {
  if (seconds === null) return NONE;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86_400)} days`;
}

export function percentText(ratio: number | null): string {
  if (ratio === null) return NONE;
  if (ratio > 0 && ratio < 0.001) return "<0.1 %";
  return `${Number((ratio * 100).toFixed(1))} %`;
}

/** Four digits: a figure of quality between 0 and 1. */
export function figureText(value: number | null): string {
  return value === null ? NONE : value.toFixed(4);
}

/** `+12 %` of what was before; empty when there is nothing to compare with. */
export function changeText(now: number | null, before: number | null): string {
  if (now === null || before === null || before === 0) return "";
  const share = Math.round((now / before - 1) * 100);
  if (share === 0) return "±0 %";
  return share > 0 ? `+${countText(share)} %` : `−${-share} %`;
}

/** Minutes, UTC. */
export function timeText(time: string | null): string {
  return time === null ? NONE : time.slice(0, 16).replace("T", " ");
}

const BLOCKS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;

/** A line of blocks, from nothing to the largest of the values. */
export function sparkText(values: readonly number[]): string {
  const most = Math.max(...values, 0);
  if (values.length < 2) return "";
  return values.map((value) => BLOCKS[most === 0 ? 0 : Math.round((value / most) * 7)] ?? "█").join("");
}
