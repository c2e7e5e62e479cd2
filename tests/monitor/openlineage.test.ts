import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Environment } from "../../core/context.ts";
import { describeError, projectErrorsOf } from "../../core/errors.ts";
import { type RunEvent, runIdOf } from "../../monitor/openlineage/event.ts";
import { startEvent } from "../../monitor/openlineage/run.ts";
import { openOutlet, sendQueued } from "../../monitor/openlineage/send.ts";
import { loadLineageSettings, type Transport } from "../../monitor/openlineage/settings.ts";
import { sourceCodeOf } from "../../monitor/openlineage/source-code.ts";
import { countEvents } from "../../state/lineage-queue.ts";
import { temporaryFolder } from "../e2e/cli.ts";
import { readEvents } from "./openlineage-spec.ts";
import { type HttpReceiver, startReceiver } from "./receivers.ts";
import { stateGround } from "./state.ts";

function settingsOf(files: Record<string, string>, env: Environment = {}) {
  const projectDir = temporaryFolder();
  for (const [name, text] of Object.entries(files)) writeFileSync(join(projectDir, name), text);
  return loadLineageSettings({ env, projectDir }, "shop");
}

function mistakeOf(files: Record<string, string>, env: Environment = {}): string {
  try {
    settingsOf(files, env);
  } catch (error) {
    return projectErrorsOf(error).map(describeError).join("\n");
  }
  return "";
}

const HTTP = {
  type: "http",
  url: "http://marquez:5000",
  endpoint: "api/v1/lineage",
  timeout: 5000,
  retries: 2,
};
const FILE = "transport: { type: file, log_file_path: data/lineage.ndjson }\n";

describe("where events go", () => {
  test("nowhere, unless somebody asks", () => {
    expect(settingsOf({ "project.yml": "name: shop\n" })).toBeNull();
  });

  test.each([
    ["project.yml", "openlineage:\n  transport: { type: http, url: 'http://marquez:5000' }\n"],
    ["openlineage.yml", "transport: { type: http, url: 'http://marquez:5000' }\n"],
  ])("%s says", (name, text) => {
    expect(settingsOf({ [name]: text })).toEqual({ namespace: "shop", transport: HTTP });
  });

  test("OpenLineage's usual variables say, before files", () => {
    const env = {
      OPENLINEAGE_URL: "http://marquez:5000",
      OPENLINEAGE_NAMESPACE: "prod",
      OPENLINEAGE_API_KEY: "k",
    };
    const transport = { ...HTTP, auth: "k" };
    expect(settingsOf({ "openlineage.yml": FILE }, env)).toEqual({ namespace: "prod", transport });
  });

  test("members of the transport come from variables of their own", () => {
    const env = {
      OPENLINEAGE__TRANSPORT__TYPE: "http",
      OPENLINEAGE__TRANSPORT__URL: "http://marquez:5000",
      OPENLINEAGE__TRANSPORT__TIMEOUT: "1.5",
      OPENLINEAGE__TRANSPORT__AUTH__TYPE: "api_key",
      OPENLINEAGE__TRANSPORT__AUTH__APIKEY: "12345",
    };
    expect(settingsOf({}, env)?.transport).toEqual({ ...HTTP, timeout: 1500, auth: "12345" });
  });

  test("OPENLINEAGE_CONFIG names another file", () => {
    const env = { OPENLINEAGE_CONFIG: "lineage.yml" };
    const files = { "lineage.yml": FILE, "project.yml": `openlineage: { ${FILE.trim()} }\n` };
    expect(settingsOf(files, env)?.transport).toMatchObject({ type: "file", append: true });
  });

  test("OPENLINEAGE_DISABLED and noop send nothing", () => {
    expect(settingsOf({ "openlineage.yml": FILE }, { OPENLINEAGE_DISABLED: "True" })).toBeNull();
    expect(settingsOf({ "openlineage.yml": "transport: { type: noop }\n" })).toBeNull();
  });
});

describe("settings that are wrong", () => {
  test("an unknown key has its place", () => {
    expect(
      mistakeOf({ "openlineage.yml": "transport:\n  type: http\n  url: http://a\n  urll: b\n" }),
    ).toContain('openlineage.yml:4:3  unknown key "urll"');
  });

  test("a key is not written out in project.yml", () => {
    const text =
      "openlineage:\n  transport: { type: http, url: 'http://a', auth: { type: api_key, api_key: abc } }\n";
    expect(mistakeOf({ "project.yml": text })).toBe(
      [
        "project.yml:2:77  a key is written out",
        "  to fix: name where it is: api_key: { env: OPENLINEAGE_API_KEY } or { file: … }",
      ].join("\n"),
    );
  });

  test("two files that say it", () => {
    const files = { "openlineage.yml": FILE, "project.yml": `openlineage: { ${FILE.trim()} }\n` };
    expect(mistakeOf(files)).toBe(
      [
        "project.yml:1:1  OpenLineage is set up in two places",
        "  the other one: openlineage.yml",
        "  to fix: keep openlineage.yml, and remove openlineage: here",
      ].join("\n"),
    );
  });

  test("a transport of the environment that is not there", () => {
    const mistake = mistakeOf({}, { OPENLINEAGE__TRANSPORT__TYPE: "kafka" });
    expect(mistake).toContain("environment variable OPENLINEAGE__TRANSPORT__TYPE");
    expect(mistake).toContain(
      "to fix: this program sends by http or into a file; OPENLINEAGE_DISABLED=true sends nothing",
    );
  });
});

const RUN = {
  ...{ namespace: "shop", project: "shop", command: "build", version: "1.0.0" },
  startedAt: new Date("2026-03-02T12:00:00Z"),
};

/** The beginnings of as many runs. */
function events(count: number): RunEvent[] {
  return Array.from({ length: count }, (_, place) =>
    startEvent({ ...RUN, invocationId: runIdOf(RUN.startedAt, String(place)) }),
  );
}

async function httpGround(env: Environment = {}) {
  const receiver = await startReceiver();
  onTestFinished(() => receiver.stop());
  const ground = stateGround(undefined, env);
  const url = new URL(receiver.url).origin;
  const transport = { ...HTTP, url, endpoint: "hook", timeout: 500 } as Transport & { type: "http" };
  return { ...ground, receiver, transport };
}

function receivedIds({ posts }: HttpReceiver): string[] {
  return readEvents(posts.map(({ body }) => body)).map(({ run }) => run.runId);
}

describe("sending", () => {
  test("an http receiver gets each event once, with the key, and the queue is empty", async () => {
    const { ctx, state, receiver, transport } = await httpGround({ LINEAGE_KEY: "very-secret-key" });
    const outlet = openOutlet(ctx, state, { ...transport, auth: { env: "LINEAGE_KEY" } });
    const sent = events(250);
    await outlet.take(sent);
    await outlet.finish(20_000);
    expect(receivedIds(receiver).sort()).toEqual(sent.map(({ run }) => run.runId).sort());
    expect(receiver.posts[0]?.headers.authorization).toBe("Bearer very-secret-key");
    expect(await countEvents(state)).toBe(0);
  });

  test("the end of a run never comes before its start", async () => {
    const { ctx, state, receiver, transport } = await httpGround();
    const [start] = events(1) as [RunEvent];
    const outlet = openOutlet(ctx, state, transport);
    await outlet.take([start, { ...start, eventType: "COMPLETE" }, ...events(20).slice(1)]);
    await outlet.finish(20_000);
    const own = readEvents(receiver.posts.map(({ body }) => body)).filter(
      ({ run }) => run.runId === start.run.runId,
    );
    expect(own.map(({ eventType }) => eventType)).toEqual(["START", "COMPLETE"]);
  });

  test("what a receiver that is away does not take waits for it, in order", async () => {
    const { ctx, state, said, receiver, transport } = await httpGround();
    receiver.status = 503;
    const outlet = openOutlet(ctx, state, transport);
    await outlet.take(events(3));
    await outlet.finish(20_000);
    expect(said.map(({ event, message }) => [event, message])).toEqual([
      ["openlineage_failed", "OpenLineage: events wait to be sent: the receiver answered 503"],
    ]);
    expect(await countEvents(state)).toBe(3);
    receiver.status = 200;
    expect(await sendQueued(ctx, state, { transport, signal: new AbortController().signal })).toBeNull();
    expect(receivedIds(receiver).sort()).toEqual(
      events(3)
        .map(({ run }) => run.runId)
        .sort(),
    );
  });

  test("a receiver that never answers is waited for no longer than asked", async () => {
    const { ctx, state, said, receiver, transport } = await httpGround();
    receiver.status = null;
    const outlet = openOutlet(ctx, state, { ...transport, timeout: 60_000 });
    await outlet.take(events(1));
    await outlet.finish(50);
    expect(said.at(-1)?.message).toBe("OpenLineage: events wait to be sent: the receiver is slow");
    expect(await countEvents(state)).toBe(1);
  });

  test("an event that the receiver refuses for good is told and does not stop the others", async () => {
    const { ctx, state, said, receiver, transport } = await httpGround();
    receiver.status = 422;
    const outlet = openOutlet(ctx, state, transport);
    await outlet.take(events(2));
    await outlet.finish(20_000);
    expect(said.at(-1)?.message).toBe("OpenLineage: an event is refused: the receiver answered 422");
    expect(await countEvents(state)).toBe(0);
  });

  test("a file gets a line for each event, readable by its owner alone, secrets masked", async () => {
    const { ctx, state, folder } = stateGround();
    ctx.secrets.add("very-secret-key");
    const outlet = openOutlet(ctx, state, { type: "file", log_file_path: "out/events.ndjson", append: true });
    const [first] = events(1) as [RunEvent];
    await outlet.take([{ ...first, job: { ...first.job, name: "with very-secret-key" } }]);
    await outlet.take(events(2));
    await outlet.finish(0);
    const file = join(folder, "out/events.ndjson");
    const read = readEvents(readFileSync(file, "utf8").trim().split("\n"));
    expect(read.map(({ job }) => job.name)).toEqual(["with ***", "shop.build", "shop.build"]);
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("a file that cannot be written is told and fails nothing", async () => {
    const { ctx, state, folder, said } = stateGround();
    mkdirSync(join(folder, "taken"));
    const outlet = openOutlet(ctx, state, { type: "file", log_file_path: "taken", append: true });
    await outlet.take(events(1));
    expect(said.at(-1)).toMatchObject({ level: "warn", event: "openlineage_failed" });
    expect(existsSync(join(folder, "taken"))).toBe(true);
  });
});

test("ids of runs are UUIDs of version 7: the same for the same, in the order of time", () => {
  const at = new Date("2026-03-02T12:00:00Z");
  const id = runIdOf(at, "a");
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(runIdOf(at, "a")).toBe(id);
  expect(runIdOf(at, "b")).not.toBe(id);
  expect(runIdOf(new Date(at.getTime() + 1), "a") > id).toBe(true);
});

test("code is found in its repository, without the password of its address", () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, ".git/refs/heads"), { recursive: true });
  writeFileSync(join(folder, ".git/HEAD"), "ref: refs/heads/main\n");
  writeFileSync(join(folder, ".git/refs/heads/main"), `${"a1".repeat(20)}\n`);
  writeFileSync(
    join(folder, ".git/config"),
    '[remote "origin"]\n\turl = https://me:token@example.com/shop.git\n',
  );
  expect(sourceCodeOf(join(folder, "etl"))("models/a.sql")).toMatchObject({
    type: "git",
    url: `https://example.com/shop/blob/${"a1".repeat(20)}/etl/models/a.sql`,
    path: "etl/models/a.sql",
    branch: "main",
  });
});
