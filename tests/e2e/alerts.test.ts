import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startReceiver } from "../monitor/receivers.ts";
import { run, temporaryFolder } from "./cli.ts";

function project(monitor: string): string {
  const cwd = temporaryFolder();
  mkdirSync(join(cwd, "models"));
  writeFileSync(join(cwd, "project.yml"), "name: shop\nprofile: shop\n");
  writeFileSync(
    join(cwd, "profiles.yml"),
    "shop: {target: dev, outputs: {dev: {type: duckdb, path: data/w.duckdb}}}\n",
  );
  writeFileSync(join(cwd, "models/stg_orders.sql"), "select nothing from nowhere");
  writeFileSync(join(cwd, "models/fct_orders.sql"), "select * from {{ ref('stg_orders') }}");
  writeFileSync(join(cwd, "monitor.yml"), monitor);
  return cwd;
}

test("a run that fails is told once, with what it affects, and again when it is over", async () => {
  const hook = await startReceiver();
  onTestFinished(() => hook.stop());
  const cwd = project("channels: {hook: {type: webhook, url: {env: HOOK_URL}}}\n");
  const options = { cwd, env: { HOOK_URL: hook.url } };
  expect((await run(["models"], options)).exitCode).toBe(1);
  expect((await run(["models"], options)).exitCode).toBe(1);
  const listed = await run(["alerts", "ls"], options);
  expect(listed.stdout).toContain("model stg_orders failed");
  expect(listed.stdout).toContain("fct_orders");
  expect(listed.stdout).toContain("1 open incident");
  expect(await run(["alerts", "send"], options)).toMatchObject({ exitCode: 0 });
  writeFileSync(join(cwd, "models/stg_orders.sql"), "select 1 as id");
  expect((await run(["models"], options)).exitCode).toBe(0);
  expect((await run(["alerts", "send"], options)).stdout).toContain("1 sent");
  const types = hook.posts.map(({ body }) => (JSON.parse(body) as { type: string }).type);
  expect(types).toEqual(["incident.opened", "incident.resolved"]);
  expect((await run(["alerts", "outbox"], options)).stdout).toContain("messages: 2 sent");
});

test("channels are checked, and what is wrong with one is said without its address", async () => {
  const hook = await startReceiver();
  onTestFinished(() => hook.stop());
  const cwd = project(
    "channels: {chat: {type: slack, url: {env: HOOK_URL}}, pager: {type: webhook, url: {env: PAGER_URL}}}\n",
  );
  const missing = await run(["alerts", "check"], { cwd, env: { HOOK_URL: hook.url } });
  expect(missing.exitCode).toBe(1);
  expect(missing.stdout).toContain("environment variable PAGER_URL holds no secret");
  expect(hook.posts).toEqual([]);
  const env = { HOOK_URL: hook.url, PAGER_URL: hook.url };
  expect(await run(["alerts", "check"], { cwd, env })).toMatchObject({ exitCode: 0 });
  expect(await run(["alerts", "check", "--send"], { cwd, env })).toMatchObject({ exitCode: 0 });
  expect(hook.posts).toHaveLength(2);
});

test("mistakes in monitor.yml are told with their place, and change no result of a run", async () => {
  const cwd = project("rules:\n  - {name: a, metric: model_rowz, max: 1}\n");
  writeFileSync(join(cwd, "models/stg_orders.sql"), "select 1 as id");
  const tried = await run(["alerts", "test"], { cwd });
  expect(tried.exitCode).toBe(2);
  expect(tried.stderr).toContain('monitor.yml:2:23  no metric is called "model_rowz"');
  const built = await run(["models"], { cwd });
  expect(built.exitCode).toBe(0);
  expect(built.stderr).toContain("the run is not watched");
});
