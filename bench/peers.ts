import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Usage } from "./measure.ts";

/** An environment of Python with dbt-core and dbt-duckdb. */
export interface Dbt {
  python: string;
}

const DBT_CORE = "1.12.6";

/** What the two require, but for a parser that would fetch other programs and each other. */
const REQUIREMENTS = `
from importlib.metadata import requires
for package in ["dbt-core", "dbt-duckdb"]:
    for line in requires(package) or []:
        name = line.split(";")[0].strip()
        if "extra ==" not in line and not name.startswith("dbt-core"):
            print(name)
`;

/** Runs dbt in this process and writes what it took, of its children too. */
const MEASURE = `
import json, resource, sys, time
from dbt.cli.main import dbtRunner
started = time.perf_counter()
done = dbtRunner().invoke(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_SELF)
usage = {"wallSeconds": time.perf_counter() - started, "cpuSeconds": used.ru_utime + used.ru_stime, "peakMb": used.ru_maxrss / 1024}
open(sys.argv[1], "w").write(json.dumps(usage))
sys.exit(0 if done.success else 1)
`;

/** Installs dbt into a new folder; undefined where there is no Python, or nothing can be installed. */
export function installDbt(folder: string): Dbt | undefined {
  const python = join(folder, "bin", "python");
  const pip = (...args: string[]) => succeeds(python, ["-m", "pip", "install", "-q", ...args]);
  const isReady =
    succeeds("python3", ["-m", "venv", folder]) && pip("--no-deps", `dbt-core==${DBT_CORE}`, "dbt-duckdb");
  if (!isReady) return undefined;
  const { stdout } = spawnSync(python, ["-c", REQUIREMENTS], { encoding: "utf8" });
  const list = join(folder, "requirements.txt");
  writeFileSync(list, stdout);
  return pip("-r", list, "duckdb==1.5.*") ? { python } : undefined;
}

function succeeds(command: string, args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

/** Runs a command of dbt twice in the project, and says what the second run took. Throws when it fails. */
export function measureDbt({ python }: Dbt, folder: string, command: "models" | "test" | "parse"): Usage {
  const file = join(folder, "usage.json");
  const word = command === "models" ? "run" : command;
  const args = ["--quiet", word, "--target-path", "target-dbt", "--profiles-dir", ".", "--target", "dbt"];
  for (const _round of ["cold", "warm"]) {
    const { status, stdout, stderr } = spawnSync(python, ["-c", MEASURE, file, ...args], {
      cwd: folder,
      env: { ...process.env, DBT_SEND_ANONYMOUS_USAGE_STATS: "false" },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`dbt ${word} ended with ${status}: ${(stdout + stderr).slice(-800)}`);
  }
  return JSON.parse(readFileSync(file, "utf8"));
}
