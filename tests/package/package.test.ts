import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ROOT, temporaryFolder } from "../e2e/cli.ts";

/** Needs the registry of packages: .ci/run sets it, once. */
const isOn = process.env.PACKAGE_TEST === "1";

beforeAll(() => {
  if (!isOn) console.warn("skipped: PACKAGE_TEST is not 1");
});

const MAX_TARBALL_BYTES = 1_000_000;

const SOURCE = `import { defineMacro, defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({ name: "shop", baseUrl: { env: "SHOP_URL" },
  streams: [{ name: "x", path: "/x", key: ["id"], record: z.looseObject({}) }] });
export const twice = defineMacro({ description: "twice", arguments: { column: z.string() },
  sql: ({ column }) => column + " * 2" });
`;

function call(cwd: string, command: string, args: readonly string[]): string {
  const { PATH = "", HOME = "" } = process.env;
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, env: { PATH, HOME }, encoding: "utf8" });
  expect({ status, stderr: status === 0 ? "" : `${stdout}${stderr}` }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

test.skipIf(!isOn)(
  "the package is installed from its tarball, and a project that it begins is built and tested green",
  { timeout: 300_000 },
  () => {
    const folder = temporaryFolder();
    const packed = call(ROOT, "npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]);
    const [tarball] = readdirSync(folder);
    expect(statSync(join(folder, tarball ?? "")).size).toBeLessThan(MAX_TARBALL_BYTES);
    const paths = [...packed.matchAll(/"path": "([^"]+)"/g)].map(([, path = ""]) => path);
    expect(paths).toEqual(
      expect.arrayContaining(["package.json", "LICENSE", "README.md", "dist/cli/main.js"]),
    );
    expect(paths.filter((path) => /^(tests|bench|\.ci)\/|\.test\.|(?<!\.d)\.ts$/.test(path))).toEqual([]);

    const home = join(folder, "home");
    mkdirSync(home);
    writeFileSync(join(home, "package.json"), '{ "name": "home", "private": true, "type": "module" }');
    const flags = ["--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"];
    call(home, "npm", ["install", ...flags, join(folder, tarball ?? "")]);
    expect(existsSync(join(home, "node_modules/typescript"))).toBe(false);
    expect(call(home, "npx", ["sillon", "--version"])).toMatch(/^\d+\.\d+\.\d+\n$/);

    const begun = call(home, "npx", ["run", "init", "demo"]);
    const [, next = ""] = /^ {2}npx (run \w+) /m.exec(begun) ?? [];
    expect(next).toBe("run pipeline");
    const demo = join(home, "demo");
    call(demo, "npx", next.split(" "));
    expect(call(demo, "npx", ["run", "test"])).toContain(" passed, 0 warned, 0 failed");
    expect(call(demo, "npx", ["run", "show", "fct_daily_sales"])).toContain("2026-01-05");

    writeFileSync(join(home, "source.ts"), SOURCE);
    const options = { strict: true, module: "nodenext", target: "es2023", noEmit: true, types: [] };
    writeFileSync(
      join(home, "tsconfig.json"),
      JSON.stringify({ compilerOptions: options, include: ["source.ts"] }),
    );
    call(home, process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", home]);
    expect(JSON.parse(readFileSync(join(home, "node_modules/sillon/package.json"), "utf8")).license).toBe(
      "Apache-2.0",
    );
  },
);
