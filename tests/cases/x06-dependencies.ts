import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Case, type Figure, none, type Report } from "./case.ts";
import type { Projects } from "./folders.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const REGISTRY = "https://registry.npmjs.org/";
/** A registry that does not answer is not asked again and again. */
const PATIENCE = ["--fetch-retries=0", "--fetch-timeout=30000"];
const MINUTES = 60_000;

/** Versions below the stated minimum, and the command that has to refuse them. */
const TOO_OLD = [
  { name: "Handlebars", packageName: "handlebars", version: "4.7.8", command: "ls" },
  { name: "DuckDB", packageName: "@duckdb/node-api", version: "1.4.4-r.4", command: "models" },
];

interface Place {
  /** A fresh clone. */
  cwd: string;
  projects: Projects;
  failures: string[];
  notRun: string[];
}

/** dependencies. Judges what is committed. */
export const dependencies: Case = {
  id: "X-06",
  run: async ({ projects }): Promise<Report> => {
    const folder = mkdtempSync(join(tmpdir(), "sillon-case-"));
    const place: Place = { cwd: join(folder, "clone"), projects, failures: [], notRun: [] };
    try {
      must(spawn("git", ["clone", "-q", ROOT, place.cwd], folder), "git clone");
      const figures = [
        ...lockFigures(place),
        none("installs_or_builds_failed", installAndBuild(place)),
        ...auditFigures(place),
        ...signatureFigures(place),
        bill(place),
        ...offlineFigures(place),
        ...oldVersionFigures(place),
      ];
      return { figures, failures: place.failures, notRun: place.notRun };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

interface Spawned {
  exitCode: number;
  stdout: string;
  stderr: string;
}

function spawn(command: string, args: readonly string[], cwd: string): Spawned {
  const { PATH = "", HOME = "", TMPDIR = tmpdir() } = process.env;
  const env = { PATH, HOME, TMPDIR };
  const options = { cwd, env, encoding: "utf8", timeout: 15 * MINUTES, maxBuffer: 1e9 } as const;
  const { status, stdout, stderr, error } = spawnSync(command, args, options);
  return { exitCode: status ?? -1, stdout: stdout ?? "", stderr: error ? String(error) : (stderr ?? "") };
}

function must({ exitCode, stdout, stderr }: Spawned, what: string): void {
  if (exitCode !== 0)
    throw new Error(`${what} ended with ${exitCode}: ${(stderr + stdout).trim().slice(-500)}`);
}

interface Locked {
  resolved?: string;
  integrity?: string;
  hasInstallScript?: boolean;
  dev?: boolean;
  link?: boolean;
}

function lockedPackages(cwd: string): [path: string, locked: Locked][] {
  const { packages } = JSON.parse(readFileSync(join(cwd, "package-lock.json"), "utf8"));
  return Object.entries<Locked>(packages).filter(([path]) => path !== "");
}

/** An entry that names no address is of the registry, and its hash says what it is. */
function lockFigures({ cwd, failures }: Place): Figure[] {
  const packages = lockedPackages(cwd);
  const foreign = packages.filter(
    ([, { resolved, integrity }]) =>
      !(resolved ?? REGISTRY).startsWith(REGISTRY) || !/^sha512-[\w+/]{86}==$/.test(integrity ?? ""),
  );
  const scripted = packages.filter(([, { hasInstallScript, dev }]) => hasInstallScript && !dev);
  failures.push(...foreign.map(([path]) => `${path}: not from the registry, or without a hash`));
  failures.push(...scripted.map(([path]) => `${path}: has a script that runs when it is installed`));
  return [
    { name: "locked_packages", value: packages.length },
    none("without_registry_or_hash", foreign.length),
    none("install_scripts", scripted.length),
  ];
}

function installAndBuild({ cwd, failures }: Place): number {
  const steps: [string, string[]][] = [
    ["npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]],
    [process.execPath, ["setup.mjs", "--compile-only"]],
    [process.execPath, ["dist/cli/main.js", "--version"]],
  ];
  for (const [command, args] of steps) {
    const { exitCode, stderr } = spawn(command, args, cwd);
    if (exitCode === 0) continue;
    failures.push(`${[command, ...args].join(" ")} ended with ${exitCode}: ${stderr.slice(-500)}`);
    return 1;
  }
  return 0;
}

function auditFigures({ cwd, notRun }: Place): Figure[] {
  const { stdout, stderr } = spawn("npm", ["audit", "--omit=dev", "--json", ...PATIENCE], cwd);
  const counts = parsed(stdout)?.metadata?.vulnerabilities;
  if (counts !== undefined) return [none("high_or_critical", counts.high + counts.critical)];
  notRun.push(`npm audit: not offered by this registry (${firstFault(stdout + stderr)})`);
  return [];
}

function signatureFigures({ cwd, notRun }: Place): Figure[] {
  const { stdout, stderr } = spawn("npm", ["audit", "signatures", "--json", ...PATIENCE], cwd);
  const found = parsed(stdout);
  if (found?.invalid !== undefined) return [none("unverified", found.invalid.length + found.missing.length)];
  notRun.push(`npm audit signatures: not offered by this registry (${firstFault(stdout + stderr)})`);
  return [];
}

interface Answer {
  metadata?: { vulnerabilities?: { high: number; critical: number } };
  invalid?: unknown[];
  missing: unknown[];
}

function parsed(text: string): Answer | undefined {
  try {
    return JSON.parse(text) as Answer; // npm's own answer
  } catch {
    return undefined;
  }
}

function firstFault(text: string): string {
  const [fault = "no answer"] = /\d{3} [A-Z][\w ]+|E[A-Z]{4,}|getaddrinfo \w+ \S+/.exec(text) ?? [];
  return fault;
}

/** `npm run sbom` names every package that a user gets. */
function bill({ cwd, failures }: Place): Figure {
  const { exitCode, stderr } = spawn("npm", ["run", "sbom"], cwd);
  const file = join(cwd, "sbom.cdx.json");
  if (exitCode !== 0 || !existsSync(file)) {
    failures.push(`npm run sbom ended with ${exitCode}: ${stderr.slice(-300)}`);
    return none("absent_from_bill", 1);
  }
  const { components } = JSON.parse(readFileSync(file, "utf8")) as { components: { "bom-ref": string }[] };
  const listed = components.map((one) => one["bom-ref"].replace(/(?<=.)@[^@]*$/, ""));
  const absent = lockedPackages(cwd)
    .filter(([path, { dev }]) => !dev && existsSync(join(cwd, path)))
    .map(([path]) => path.replace(/^.*node_modules\//, ""))
    .filter((name) => !listed.includes(name));
  failures.push(...absent.map((name) => `${name} is not in the bill of materials`));
  return none("absent_from_bill", absent.length);
}

const OFFLINE = ["-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"];

function offlineFigures({ cwd, failures, notRun }: Place): Figure[] {
  if (spawn("unshare", [...OFFLINE, "true"], cwd).exitCode !== 0) {
    notRun.push("tests without network: this system lets no process leave its network");
    return [];
  }
  const { stdout } = spawn("unshare", [...OFFLINE, "npm", "run", "test:unit"], cwd);
  const file = join(cwd, "test-results.json");
  if (!existsSync(file)) {
    failures.push(`the unit tests did not end: ${stdout.slice(-500)}`);
    return [none("failed_without_network", 1)];
  }
  const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(file, "utf8"));
  for (const { assertionResults } of testResults)
    for (const { status, fullName } of assertionResults)
      if (status === "failed") failures.push(`without network: ${fullName}`);
  return [
    { name: "passed_without_network", value: numPassedTests },
    none("failed_without_network", numFailedTests),
  ];
}

/** Through the modules that `dist/` is made of: it holds its own Handlebars. */
function oldVersionFigures({ cwd, projects, failures, notRun }: Place): Figure[] {
  let started = 0;
  for (const { name, packageName, version, command } of TOO_OLD) {
    const flags = ["--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    const installed = spawn("npm", ["install", ...flags, `${packageName}@${version}`], cwd);
    if (installed.exitCode !== 0) {
      notRun.push(`${packageName}@${version} could not be installed`);
      continue;
    }
    const project = projects.make({ "models/a.sql": "select 1 as a" });
    const { exitCode, stderr } = spawn(process.execPath, [join(cwd, "build/cli/main.js"), command], project);
    if (exitCode === 4 && stderr.includes(`${name} ${version.split("-")[0]} is too old`)) continue;
    started++;
    failures.push(`${packageName}@${version}: exit ${exitCode} ${stderr.slice(0, 300)}`);
  }
  return [none("started_with_too_old", started)];
}
