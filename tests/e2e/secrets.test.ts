import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { sendPage, startScriptedApi } from "../ingest/scripted-api.ts";
import { MAIN, run, temporaryFolder } from "./cli.ts";

const SOURCE = `import { defineSource } from "sillon";
import { z } from "zod";
export const source = defineSource({
  name: "radio",
  baseUrl: { env: "RADIO_URL" },
  authentication: { type: "bearer", token: { stdin: true } },
  streams: [{ name: "stations", path: "/stations", key: ["id"], record: z.looseObject({ id: z.number() }) }],
});
`;

function radioProject(): string {
  const cwd = temporaryFolder();
  mkdirSync(join(cwd, "ingest/sources"), { recursive: true });
  writeFileSync(join(cwd, "project.yml"), "name: radio\n");
  writeFileSync(
    join(cwd, "profiles.yml"),
    "radio:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/warehouse.duckdb, schema: main}\n",
  );
  writeFileSync(join(cwd, "ingest/sources/radio.ts"), SOURCE);
  return cwd;
}

test("takes a secret from standard input, also when it comes late and in parts", async () => {
  const tokens: (string | undefined)[] = [];
  const api = await startScriptedApi((visit) => {
    tokens.push(visit.request.headers.authorization);
    sendPage(visit, ['{"id":1}']);
  });
  onTestFinished(() => api.stop());
  const child = spawn(process.execPath, [MAIN, "ingest"], {
    cwd: radioProject(),
    env: { ...process.env, RADIO_URL: api.url },
    stdio: ["pipe", "ignore", "ignore"],
  });
  child.stdin.write("token-in-");
  setTimeout(() => child.stdin.end("two-parts\nand more\n"), 50);
  const exitCode = await new Promise((resolve) => child.on("close", resolve));
  expect(exitCode).toBe(0);
  expect(new Set(tokens)).toEqual(new Set(["Bearer token-in-two-parts"]));
});

test("a secret that does not come ends the command before any request", async () => {
  const { exitCode, stderr } = await run(["ingest"], {
    cwd: radioProject(),
    env: { RADIO_URL: "http://127.0.0.1:1" },
  });
  expect(exitCode).toBe(2);
  expect(stderr).toContain("standard input holds no secret");
  expect(stderr).toContain("to fix: give it on standard input, as in: run ingest < secret.txt");
});
