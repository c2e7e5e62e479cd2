import { readdirSync, readFileSync } from "node:fs";

/** A process, told from a later one that got the same number. */
export interface ProcessIdentity {
  pid: number;
  /** What the kernel says of its start; null where it does not tell. */
  start: string | null;
}

/** Of a process that lives; null when there is none of this number, or the system has no /proc. */
export function processStart(pid: number): string | null {
  return statOf(pid)?.start ?? null;
}

/** Whether this very process lives. A zombie, which has ended and waits to be noticed, does not. */
export function isAlive({ pid, start }: ProcessIdentity): boolean {
  const stat = statOf(pid);
  if (stat !== undefined)
    return stat.state !== "Z" && stat.state !== "X" && (start === null || stat.start === start);
  if (hasProc()) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // alive, but somebody else's
  }
}

export interface ProcessUsage {
  cpuSeconds: number;
  peakMemoryBytes: number;
}

/** What a living process, and those of its children that have ended, used until now; undefined where nobody tells. */
export function processUsage(pid: number): ProcessUsage | undefined {
  const stat = statOf(pid);
  const status = readProc(pid, "status");
  if (stat === undefined || status === undefined) return undefined;
  const peakKb = Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0);
  return { cpuSeconds: stat.cpuTicks / TICKS_PER_SECOND, peakMemoryBytes: peakKb * 1024 };
}

/** The processes of this user whose environment has `NAME=value`, which children inherit; none where there is no /proc. */
export function processesWith(name: string, value: string): ProcessIdentity[] {
  if (!hasProc()) return [];
  const wanted = `${name}=${value}`;
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map(Number)
    .filter((pid) => readProc(pid, "environ")?.split("\0").includes(wanted) ?? false)
    .map((pid) => ({ pid, start: processStart(pid) }))
    .filter(isAlive);
}

/** Linux has had 100 of them in every released kernel's interface. */
const TICKS_PER_SECOND = 100;

function statOf(pid: number): { state: string; start: string; cpuTicks: number } | undefined {
  const text = readProc(pid, "stat");
  if (text === undefined) return undefined;
  // The name in parentheses may hold anything, also a parenthesis.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const cpuTicks = [11, 12, 13, 14].reduce((sum, place) => sum + Number(fields[place] ?? 0), 0);
  return { state: fields[0] ?? "", start: fields[19] ?? "", cpuTicks };
}

function readProc(pid: number, file: string): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "latin1");
  } catch {
    return undefined; // Gone, another user's, or a system without /proc.
  }
}

function hasProc(): boolean {
  return readProc(process.pid, "stat") !== undefined;
}
