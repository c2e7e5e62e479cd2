import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "./cli.ts";
import { expectHelpful, make, prepare } from "./mistakes.ts";

describe("surroundings", () => {
  const QUICK: [string, string, string] = [
    "project.yml",
    "concurrency: 8",
    "concurrency: 8\n  backoff_seconds: 0.01",
  ];
  let server: Server;
  let url = "";
  let closedPort = 0;

  const listen = async (handler: Parameters<typeof createServer>[1]) => {
    const started = createServer(handler);
    await new Promise<void>((resolve) => started.listen(0, "127.0.0.1", resolve));
    return { started, port: (started.address() as AddressInfo).port }; // listening on a port, not on a pipe
  };
  beforeAll(async () => {
    const { started, port } = await listen((request, response) => {
      const isMissing = request.url?.startsWith("/missing") ?? false;
      response.writeHead(isMissing ? 404 : 200, { "content-type": "text/html" });
      response.end("<html><body>Please sign in</body></html>");
    });
    server = started;
    url = `http://127.0.0.1:${port}`;
    const closed = await listen(() => {});
    closedPort = closed.port;
    await new Promise((resolve) => closed.started.close(resolve));
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  const failed = async (address: string) => {
    const cwd = prepare({ where: "", message: "", help: "", replace: QUICK });
    return run(["ingest", "tracks"], { cwd, env: { MOOVITAMIX_URL: address } });
  };

  test.each<[string, () => string, RegExp]>([
    ["nobody listens", () => `http://user:hunter22@127.0.0.1:${closedPort}`, /refused/],
    ["the path is wrong", () => `${url}/missing`, /404/],
    ["a sign-in page answers", () => url, /HTML|not JSON|Please sign in/],
  ])("in which %s are exit 1, with stream, address and what to do", async (_, address, cause) => {
    const { exitCode, stdout, stderr } = await failed(address());
    const text = `${stderr}${stdout}`;
    expect(exitCode).toBe(1);
    expect(text).toMatch(cause);
    expect(text).toContain("moovitamix.tracks");
    expect(text).toMatch(/\/tracks\?page=1/);
    expect(text).toContain("to fix: ");
    expect(text).not.toMatch(/hunter22|^ {4}at |mistake in sillon/m);
  });

  test.each<[string, Record<string, string>, string, string]>([
    [
      "the warehouse is no database",
      { "data/warehouse.duckdb": "not a database ".repeat(1000) },
      "data/warehouse.duckdb",
      "the database file",
    ],
    [
      "the history is damaged",
      { "data/state.db": "not a database ".repeat(1000) },
      "data/state.db",
      "cannot be opened",
    ],
    ["a file stands where the data should", { data: "" }, "data/state.db", "cannot be"],
  ])("in which %s are exit 4, and the file stays as it is", async (_, write, file, message) => {
    const mistake = { write, where: "", message, help: "to fix: " };
    const result = await make(mistake);
    expect(result.exitCode).toBe(4);
    expectHelpful(result, { ...mistake, where: join(result.cwd, file) });
    for (const [name, text] of Object.entries(write))
      expect(readFileSync(join(result.cwd, name), "utf8")).toBe(text);
  });

  test("in which a model's SQL is wrong are exit 1, at the author's line", async () => {
    const result = await make({
      args: "models --select a",
      write: { "models/a.sql": "-- é\nselect\n  nope" },
      where: "",
      message: "",
      help: "",
    });
    expect(result.exitCode).toBe(1);
    expect(result.stderr).toContain("models/a.sql:3:3");
    expect(result.stderr).toContain("to fix: ");
  });
});
