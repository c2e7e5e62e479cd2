// `npm test`: Biome, the compiler and every test, each reported even when an earlier one fails.
import { spawnSync } from "node:child_process";
import { join } from "node:path";

const bin = (name) => join("node_modules", ...name.split("/"));
const checks = [
  ["Biome", bin("@biomejs/biome/bin/biome"), "check", "."],
  ["tsc", bin("typescript/bin/tsc"), "-p", "tests"],
  ["tsc of bench", bin("typescript/bin/tsc"), "-p", "bench"],
  ["vitest", bin("vitest/vitest.mjs"), "run", ...process.argv.slice(2)],
];

const failed = checks.filter(([name, ...args]) => {
  console.log(`\n== ${name}`);
  return spawnSync(process.execPath, args, { stdio: "inherit" }).status !== 0;
});
if (failed.length > 0) console.error(`\nfailed: ${failed.map(([name]) => name).join(", ")}`);
process.exitCode = failed.length > 0 ? 1 : 0;
