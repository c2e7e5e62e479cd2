// Makes a checkout ready to run with nothing but Node: installs the pinned packages when they are missing or
// the lock file changed, compiles to build/ and joins the program into the few files of dist/. Runs before
// `npm start` and `npm test`, and as `prepare`.
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(fileURLToPath(import.meta.url));
const MINIMUM_NODE = [20, 19];

async function main() {
  checkNode();
  const isPrepare = process.argv.includes("--compile-only");
  if (!isPrepare && !isInstalled()) {
    // `prepare` compiles at the end of the installation.
    run("installing packages", [process.env.npm_execpath ?? "npm", "ci", "--no-audit", "--no-fund"]);
    return;
  }
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  // An installation without development packages has no compiler, and uses the dist/ that it came with.
  if (!existsSync(compiler)) return;
  run("compiling", [compiler, "-p", root]);
  await bundle();
}

/** Finding and reading hundreds of modules one by one takes longer than most commands. */
async function bundle() {
  const [build, dist] = [join(root, "build"), join(root, "dist")];
  if (isBundled(build, dist)) return;
  const { rolldown } = await import("rolldown");
  // Made aside: a program that is running finds its files until the new ones are there.
  const made = `${dist}.${process.pid}.tmp`;
  const entries = ["cli/main", "core/sillon", "core/faults"];
  const program = await rolldown({
    input: Object.fromEntries(entries.map((name) => [name, join(build, `${name}.js`)])),
    platform: "node",
    // Native code, what is loaded by name, and large packages that only some commands need.
    external: [
      /^node:/,
      /^#/,
      "libsql",
      "@duckdb/node-bindings",
      "jiti",
      "@faker-js/faker",
      "undici",
      "nodemailer",
      /^@?hono($|\/)/,
      /^pg($|-)/,
    ],
  });
  const { output } = await program.write({
    dir: made,
    format: "esm",
    chunkFileNames: "chunks/[name].js",
    // Comments take time to skip; lines stay as they are, for the stack of a bug.
    comments: false,
  });
  await program.close();
  writeFileSync(join(made, LICENSES), licensesOf(output.flatMap(({ moduleIds }) => moduleIds ?? [])));
  // npm makes the program executable when it links it, and not again when it was compiled anew.
  chmodSync(join(made, "cli", "main.js"), 0o755);
  copyFileSync(join(build, "core", "sillon.d.ts"), join(made, "core", "sillon.d.ts"));
  rmSync(dist, { recursive: true, force: true });
  renameSync(made, dist);
}

const LICENSES = "LICENSES.txt";

/** Whether nothing that the bundle is made of is younger than it. */
function isBundled(build, dist) {
  const bundled = statSync(join(dist, LICENSES), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const compiled = readdirSync(build, { recursive: true }).map((file) => join(build, file));
  const parts = [...compiled, join(root, "package-lock.json"), fileURLToPath(import.meta.url)];
  return parts.every((file) => statSync(file).mtimeMs < bundled);
}

/** The licences of the packages whose code is in the bundle. */
function licensesOf(files) {
  const packages = files.map((file) => /.*[\\/]node_modules[\\/](@[^\\/]+[\\/])?[^\\/]+/.exec(file)?.[0]);
  return [...new Set(packages.filter(Boolean))]
    .sort()
    .map((folder) => {
      const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const texts = readdirSync(folder).filter((file) => /^licen[cs]e/i.test(file));
      return [
        `== ${name} ${version}: ${license}`,
        ...texts.map((file) => readFileSync(join(folder, file), "utf8")),
      ];
    })
    .map((lines) => lines.join("\n\n"))
    .join("\n\n");
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [minMajor, minMinor] = MINIMUM_NODE;
  if (major > minMajor || (major === minMajor && minor >= minMinor)) return;
  console.error(`Node ${process.versions.node} is too old: sillon needs ${MINIMUM_NODE.join(".")} or newer`);
  process.exit(2);
}

/** Whether node_modules holds what package-lock.json says; packages for other platforms may be absent. */
function isInstalled() {
  const installed = readLock(join(root, "node_modules", ".package-lock.json"));
  if (installed === undefined) return false;
  const wanted = readLock(join(root, "package-lock.json")) ?? {};
  const names = new Set([...Object.keys(wanted), ...Object.keys(installed)]);
  return [...names].every((name) => {
    if (name === "") return true;
    if (installed[name] === undefined) return wanted[name].optional === true || wanted[name].peer === true;
    return wanted[name]?.integrity === installed[name].integrity;
  });
}

function readLock(file) {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")).packages : undefined;
}

function run(what, [script, ...args]) {
  // npm hands its own script over as npm_execpath: no shell, and the same on every system.
  const isScript = /\.(c|m)?js$|[\\/]tsc$/.test(script);
  const [command, commandArgs] = isScript ? [process.execPath, [script, ...args]] : [script, args];
  const { status, error } = spawnSync(command, commandArgs, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status === 0) return;
  console.error(`${what} failed${error ? `: ${error.message}` : ""}`);
  process.exit(status ?? 1);
}

await main();
