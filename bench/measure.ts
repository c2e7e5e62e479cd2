import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface Usage {
  wallSeconds: number;
  cpuSeconds: number;
  peakMb: number;
}

const USAGE_HOOK = fileURLToPath(new URL("./usage.mjs", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sillon-bench-"));

/** Runs a Node program to its end and says what it took. Throws when it fails. */
export function measureNode(args: readonly string[], cwd: string): Usage {
  const file = join(folder, "usage.json");
  const startedAt = performance.now();
  const { status, stderr } = spawnSync(process.execPath, ["--import", USAGE_HOOK, ...args], {
    cwd,
    env: { ...process.env, BENCH_USAGE: file },
    encoding: "utf8",
  });
  const wallSeconds = (performance.now() - startedAt) / 1000;
  if (status !== 0) throw new Error(`${args.join(" ")} ended with ${status}: ${stderr.slice(-500)}`);
  return { wallSeconds, ...JSON.parse(readFileSync(file, "utf8")) };
}

export interface Comparison {
  ours: Usage;
  bare: Usage;
  cpuRatio: number;
  wallRatio: number;
}

/** Runs the two in turn, so that a slow moment of the machine meets both; medians of all rounds. */
export function compare(rounds: number, ours: () => Usage, bare: () => Usage): Comparison {
  const pairs = Array.from({ length: rounds }, () => ({ ours: ours(), bare: bare() }));
  return {
    ours: medianOf(pairs.map((pair) => pair.ours)),
    bare: medianOf(pairs.map((pair) => pair.bare)),
    cpuRatio: median(pairs.map((pair) => pair.ours.cpuSeconds / pair.bare.cpuSeconds)),
    wallRatio: median(pairs.map((pair) => pair.ours.wallSeconds / pair.bare.wallSeconds)),
  };
}

/** The median of each figure. */
export function medianOf(usages: readonly Usage[]): Usage {
  return {
    wallSeconds: median(usages.map(({ wallSeconds }) => wallSeconds)),
    cpuSeconds: median(usages.map(({ cpuSeconds }) => cpuSeconds)),
    peakMb: median(usages.map(({ peakMb }) => peakMb)),
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
