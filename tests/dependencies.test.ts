import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "./e2e/cli.ts";

interface Locked {
  version: string;
  resolved?: string;
  integrity?: string;
  license?: string;
  hasInstallScript?: boolean;
  dev?: boolean;
  optional?: boolean;
}

const read = (file: string) => JSON.parse(readFileSync(join(ROOT, file), "utf8"));
const manifest = read("package.json");
const { packages } = read("package-lock.json") as { packages: Record<string, Locked> };
const [own] = Object.entries(packages).filter(([path]) => path === "");
const installed = Object.entries(packages).filter(([path]) => path !== "");

const REGISTRY = "https://registry.npmjs.org/";

/** Licences that let the package be used and passed on under Apache-2.0. */
const LICENCES = [
  "MIT",
  "MIT-0",
  "ISC",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "0BSD",
  "BlueOak-1.0.0",
  "MPL-2.0",
  "MIT OR Apache-2.0",
];
/** Tools of development may bring more than what is installed with the package. */
const RUNTIME_LICENCES = LICENCES.filter((licence) => licence !== "MPL-2.0");

/** Packages that source files of a folder import, built-in ones of Node apart. */
function importsIn(folder: string): Set<string> {
  const files = readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" });
  const names = files
    .filter((file) => file.endsWith(".ts"))
    .flatMap((file) => {
      const text = readFileSync(join(ROOT, folder, file), "utf8");
      return [
        ...text.matchAll(/^(?:import|export)\s[^;"]*?from "([^".][^"]*)"|\bimport\("([^".][^"]*)"\)/gm),
      ];
    })
    .map(([, from, dynamic]) => from ?? dynamic ?? "")
    .filter((name) => !name.startsWith("node:") && name !== "sillon");
  return new Set(
    names.map((name) =>
      name
        .split("/")
        .slice(0, name.startsWith("@") ? 2 : 1)
        .join("/"),
    ),
  );
}

const RUNTIME_FOLDERS = [
  ...[
    "artifacts",
    "cli",
    "core",
    "engines",
    "ingest",
    "monitor",
    "moovitamix",
    "reco",
    "runner",
    "schedule",
    "state",
    "web",
  ],
];

test("every dependency is pinned exactly, and the lock file says the same", () => {
  const pins = { ...manifest.dependencies, ...manifest.devDependencies };
  expect(
    Object.entries<string>(pins).filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)),
  ).toEqual([]);
  expect(own?.[1]).toMatchObject({
    dependencies: manifest.dependencies,
    devDependencies: manifest.devDependencies,
  });
  const locked = Object.keys(pins).map((name) => [name, packages[`node_modules/${name}`]?.version]);
  expect(Object.fromEntries(locked)).toEqual(pins);
});

test("what the program imports is declared, and what is declared is imported", () => {
  const imported = new Set(
    RUNTIME_FOLDERS.flatMap((folder) => [...importsIn(folder)]).filter((name) => !name.startsWith("#")),
  );
  expect([...imported].sort()).toEqual(Object.keys(manifest.dependencies).sort());
});

test("every package comes from the registry with a hash, under a licence that fits, and runs no script", (context) => {
  const unverified = installed.filter(
    // Without an address a package comes from the registry that npm is set to; its hash tells whether it is the one.
    ([, { resolved = REGISTRY, integrity = "" }]) =>
      !resolved.startsWith(REGISTRY) || !integrity.startsWith("sha512-"),
  );
  const scripts = installed.filter(([, entry]) => entry.hasInstallScript && !entry.dev && !entry.optional);
  const unlicensed = installed.filter(
    ([, { license = "", dev }]) => !(dev ? LICENCES : RUNTIME_LICENCES).includes(license),
  );
  const figures = `X-06 unverified ${unverified.length}, install scripts ${scripts.length}, licences apart ${unlicensed.length}, packages ${installed.length}`;
  console.log(figures);
  context.annotate(figures);
  expect({ unverified, scripts, unlicensed }).toEqual({ unverified: [], scripts: [], unlicensed: [] });
});

test("the engine and the template library are not older than they have to be", () => {
  const atLeast = (version: string, minimum: readonly number[]) => {
    const parts = version.split(/[.-]/).map(Number);
    const place = minimum.findIndex((part, index) => parts[index] !== part);
    return place < 0 || (parts[place] ?? 0) > (minimum[place] ?? 0);
  };
  expect(atLeast(manifest.dependencies["@duckdb/node-api"], [1, 5, 0])).toBe(true);
  expect(atLeast(manifest.dependencies.handlebars, [4, 7, 9])).toBe(true);
});
