import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { packageRoot } from "../../core/config.ts";
import { createContext } from "../../core/context.ts";
import { type ProjectError, projectErrorsOf } from "../../core/errors.ts";
import { loadSources } from "../../ingest/load-sources.ts";

const HEAD = 'import { defineSource } from "sillon";\nimport { z } from "zod";\n';
const stream = (name: string) =>
  `{ name: "${name}", path: "/x", key: ["id"], record: z.looseObject({ id: z.number() }) }`;
const sourceText = (name: string, streams: string[]) =>
  `${HEAD}export const source = defineSource({ name: "${name}", baseUrl: { env: "X_URL" }, streams: [${streams.join(", ")}] });\n`;

function contextOf(files: Record<string, string>) {
  const projectDir = mkdtempSync(join(tmpdir(), "sillon-sources-"));
  onTestFinished(() => rmSync(projectDir, { recursive: true, force: true }));
  mkdirSync(join(projectDir, "ingest/sources"), { recursive: true });
  for (const [name, text] of Object.entries(files))
    writeFileSync(join(projectDir, "ingest/sources", name), text);
  return createContext({ projectDir, env: {}, sink: () => {} });
}

async function mistakesOf(files: Record<string, string>): Promise<ProjectError[]> {
  return loadSources(contextOf(files)).then(() => [], projectErrorsOf);
}

test("loads this project's own source", async () => {
  const ctx = createContext({ projectDir: packageRoot(), env: {}, sink: () => {} });
  const [moovitamix] = await loadSources(ctx);
  expect(moovitamix?.streams.map(({ name }) => name)).toEqual(["tracks", "users", "listen_history"]);
});

test("loads the sources of a project anywhere, in the order of their files", async () => {
  const ctx = contextOf({
    "b.ts": sourceText("late", [stream("y")]),
    "a.ts": sourceText("early", [stream("x")]),
  });
  const sources = await loadSources(ctx);
  expect(sources.map(({ name }) => name)).toEqual(["early", "late"]);
  expect(sources[0]?.streams[0]?.record.safeParse({ id: "1" }).success).toBe(false);
});

test.each([
  ["SOURCE_UNREADABLE", `${HEAD}export const source = {\n  name: ,\n};\n`, /^ingest\/sources\/a\.ts:4:\d+$/],
  ["SOURCE_UNREADABLE", 'throw new Error("no luck");\n', /^ingest\/sources\/a\.ts:1:\d+$/],
  [
    "SOURCE_UNREADABLE",
    'import { q } from "./nowhere";\nexport const source = q;\n',
    /^ingest\/sources\/a\.ts/,
  ],
  ["SOURCE_MISSING", `${HEAD}export const sauce = 1;\n`, /^ingest\/sources\/a\.ts$/],
  ["SOURCE_INVALID", sourceText("Upper Case", [stream("x")]), /^ingest\/sources\/a\.ts$/],
  ["STREAM_REPEATED", sourceText("a", [stream("x"), stream("x")]), /^ingest\/sources\/a\.ts$/],
])("reports %s with its place, for exit 2", async (code, text, where) => {
  const [error, ...others] = await mistakesOf({ "a.ts": text });
  expect(error).toMatchObject({
    code,
    exitCode: 2,
    where: expect.stringMatching(where),
    hint: expect.any(String),
  });
  expect(others).toEqual([]);
});

test("reports the mistakes of all files at once", async () => {
  const good = sourceText("same", [stream("x")]);
  const bad = sourceText("bad", ['{ name: "x" }']);
  const errors = await mistakesOf({ "a.ts": good, "b.ts": good, "c.ts": bad });
  expect(errors.map(({ code, where }) => [code, where])).toEqual([
    ["SOURCE_REPEATED", "ingest/sources/b.ts"],
    ["SOURCE_INVALID", "ingest/sources/c.ts"],
  ]);
  expect(errors[1]?.why).toContain("source.streams.0.record: expected a zod schema");
});
