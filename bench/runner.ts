// The runner against the bare statements of the same project, and its own limits: `npm run bench -- 10 100 1000`.
// `--peers` adds dbt-core with dbt-duckdb on the same project, where Python can install it.
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Comparison, compare, measureNode, medianOf, type Usage } from "./measure.ts";
import { installDbt, measureDbt } from "./peers.ts";
import { generateProject, type Shape } from "./project.ts";

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const BARE = fileURLToPath(new URL("./bare.mjs", import.meta.url));
const ROUNDS = 3;
/** What starts in some hundredths of a second needs more rounds. */
const QUICK_ROUNDS = 9;

const given = process.argv.slice(2);
const sizes = given.filter((word) => /^\d+$/.test(word)).map(Number);
const root = mkdtempSync(join(tmpdir(), "sillon-bench-"));
const dbt = given.includes("--peers") ? installDbt(join(root, "dbt")) : undefined;
if (given.includes("--peers") && dbt === undefined)
  console.log("dbt-core could not be installed: measured without it");

measureStart();
for (const count of sizes.length > 0 ? sizes : [10, 100, 1000]) measureBuild(count);
measureParse();
for (const shape of ["layers", "chain", "star"] as const) measurePlan(shape);
rmSync(root, { recursive: true });

function measureStart(): void {
  const empty = join(root, "empty.mjs");
  writeFileSync(empty, "");
  const help = compare(
    QUICK_ROUNDS,
    () => measureNode([MAIN, "--help"], root),
    () => measureNode([empty], root),
  );
  console.log(`--help: ${bounded("cpu of an empty script x", help.cpuRatio, 1.6)}`);
}

function measureBuild(count: number): void {
  const folder = projectOf(count, "layers");
  for (const command of ["models", "test"] as const) {
    const anew = command === "models" ? ["--no-reuse"] : [];
    const ours = () => measureNode([MAIN, command, "--quiet", ...anew], folder);
    const cold = ours();
    copyFileSync(join(folder, "target/run_results.json"), join(folder, `bench-${command}.json`));
    const warm = compare(ROUNDS, ours, () => measureNode([BARE, folder, command], folder));
    report(`${command}, ${count} models`, warm, cold.cpuSeconds);
    if (command === "models" && count === 10)
      console.log(`  ${bounded("wall s of 10 models", warm.ours.wallSeconds, 0.5)}`);
    if (command === "models" && count === 1000) {
      const perModel = ((warm.ours.cpuSeconds - warm.bare.cpuSeconds) / count) * 1000;
      console.log(`  ${bounded("cpu of bare x", warm.cpuRatio, 1.5)}`);
      console.log(`  ${bounded("cpu s more when cold", cold.cpuSeconds - warm.ours.cpuSeconds, 1.75)}`);
      console.log(`  ${bounded("memory of bare x", warm.ours.peakMb / warm.bare.peakMb, 1.5)}`);
      console.log(`  ${bounded("cpu ms a model beyond bare", perModel, 5)}`);
    }
    if (command === "test" && count === 1000) {
      const own = warm.ours.cpuSeconds - 1.3 * warm.bare.cpuSeconds;
      console.log(`  ${bounded("cpu s beyond 1.3 x bare", own, 0.5)}`);
    }
    if (dbt === undefined) continue;
    const peer = measureDbt(dbt, folder, command);
    const ratio = peer.cpuSeconds / warm.ours.cpuSeconds;
    console.log(`  dbt-core: cpu ${peer.cpuSeconds.toFixed(1)} s, ${ratio.toFixed(1)} x ours`);
  }
  measureUnchanged(folder, count);
  rmSync(folder, { recursive: true });
}

/** What a command takes when nothing changed since the last one. */
function measureUnchanged(folder: string, count: number): void {
  measureNode([MAIN, "build", "--quiet"], folder);
  for (const command of ["build", "models"] as const) {
    const rounds = Array.from({ length: ROUNDS }, () => measureNode([MAIN, command, "--quiet"], folder));
    const { cpuSeconds } = medianOf(rounds);
    const shown = count === 1000 ? bounded("cpu s", cpuSeconds, 1) : `cpu s ${cpuSeconds.toFixed(2)}`;
    console.log(`${command} again, ${count} models, nothing changed: ${shown}`);
  }
}

function measureParse(): void {
  const folder = projectOf(1000, "layers");
  const { cold, warm } = measureLs(folder, "model_5");
  console.log(`parse, 1000 models: ${bounded("cold cpu s", cold.cpuSeconds, 1.5)}`);
  console.log(`parse, 1000 models: ${bounded("warm cpu s", warm.cpuSeconds, 0.4)}`);
  if (dbt !== undefined) {
    const peer = measureDbt(dbt, folder, "parse");
    console.log(
      `  dbt-core: warm cpu ${peer.cpuSeconds.toFixed(1)} s, ${(peer.cpuSeconds / warm.cpuSeconds).toFixed(1)} x ours`,
    );
  }
  rmSync(folder, { recursive: true });
}

function measurePlan(shape: Shape): void {
  const folder = projectOf(5000, shape);
  const { cold, warm } = measureLs(folder, "model_5");
  const unchanged = measureNode([MAIN, "ls"], folder);
  measureNode([MAIN, "compile", "--quiet"], folder);
  const compiled = measureNode([MAIN, "compile", "--quiet"], folder);
  console.log(
    `plan, 5000 models (${shape}): ${[
      bounded("cold cpu s", cold.cpuSeconds, 10),
      bounded("unchanged cpu s", unchanged.cpuSeconds, 2),
      bounded("selection of one cpu s", warm.cpuSeconds, 1),
      bounded("peak MB", Math.max(cold.peakMb, compiled.peakMb), 1024, 0),
      `all rendered cpu s ${compiled.cpuSeconds.toFixed(2)}`,
    ].join(", ")}`,
  );
  rmSync(folder, { recursive: true });
}

/** A selection without and with what an earlier command parsed. */
function measureLs(folder: string, model: string): { cold: Usage; warm: Usage } {
  const target = join(folder, "target");
  const ls = () => measureNode([MAIN, "ls", "--select", model], folder);
  const pairs = Array.from({ length: ROUNDS }, () => {
    if (existsSync(target)) rmSync(target, { recursive: true });
    return { cold: ls(), warm: ls() };
  });
  return { cold: medianOf(pairs.map(({ cold }) => cold)), warm: medianOf(pairs.map(({ warm }) => warm)) };
}

function projectOf(count: number, shape: Shape): string {
  const folder = mkdtempSync(join(root, "project-"));
  generateProject(folder, count, shape);
  return folder;
}

/** A figure with the bound that it has to keep. */
function bounded(name: string, value: number, bound: number, digits = 2): string {
  return `${name} ${value.toFixed(digits)} (bound ${bound}${value > bound ? ", EXCEEDED" : ""})`;
}

function report(name: string, { ours, bare, cpuRatio, wallRatio }: Comparison, coldCpu: number): void {
  const figures = [
    `cpu ${ours.cpuSeconds.toFixed(2)} s (bare ${bare.cpuSeconds.toFixed(2)}, ratio ${cpuRatio.toFixed(2)})`,
    `wall ${ours.wallSeconds.toFixed(2)} s (bare ${bare.wallSeconds.toFixed(2)}, ratio ${wallRatio.toFixed(2)})`,
    `memory ${ours.peakMb.toFixed(0)} MB (bare ${bare.peakMb.toFixed(0)})`,
    `first run cpu ${coldCpu.toFixed(2)} s`,
  ];
  console.log(`${name}: ${figures.join(", ")}`);
}
