// The runner against the bare statements of the same project: `npm run bench -- 10 100 1000`.
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Comparison, compare, measureNode } from "./measure.ts";
import { generateProject } from "./project.ts";

const MAIN = fileURLToPath(new URL("../dist/cli/main.js", import.meta.url));
const BARE = fileURLToPath(new URL("./bare.mjs", import.meta.url));
const ROUNDS = 3;

const sizes = process.argv.slice(2).map(Number);
for (const count of sizes.length > 0 ? sizes : [10, 100, 1000]) {
  const folder = mkdtempSync(join(tmpdir(), "sillon-bench-"));
  generateProject(folder, count);
  for (const command of ["models", "test"] as const) {
    const anew = command === "models" ? ["--no-reuse"] : [];
    const ours = () => measureNode([MAIN, command, "--quiet", ...anew], folder);
    const cold = ours();
    copyFileSync(join(folder, "target/run_results.json"), join(folder, `bench-${command}.json`));
    const warm = compare(ROUNDS, ours, () => measureNode([BARE, folder, command], folder));
    report(`${command}, ${count} models`, warm, cold.cpuSeconds);
  }
  measureNode([MAIN, "build", "--quiet"], folder);
  const unchanged = measureNode([MAIN, "build", "--quiet"], folder);
  const planned = measureNode([MAIN, "compile", "--quiet"], folder);
  console.log(
    `build of ${count} unchanged models: cpu ${unchanged.cpuSeconds.toFixed(2)} s (compile alone ${planned.cpuSeconds.toFixed(2)})`,
  );
  rmSync(folder, { recursive: true });
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
