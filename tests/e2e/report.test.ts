import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startMail, startReceiver } from "../monitor/receivers.ts";
import { run, temporaryFolder } from "./cli.ts";

async function builtShop(): Promise<string> {
  const folder = temporaryFolder();
  expect(await run(["init", "shop"], { cwd: folder })).toMatchObject({ exitCode: 0 });
  const cwd = join(folder, "shop");
  expect(await run(["pipeline"], { cwd })).toMatchObject({ exitCode: 0 });
  return cwd;
}

/** Waits until a process that nobody waits for has written its file. */
async function written(file: string): Promise<string> {
  while (!existsSync(file) || readFileSync(file, "utf8") === "")
    await new Promise((resolve) => setImmediate(resolve));
  return readFileSync(file, "utf8").trim();
}

test("report tells what ran, as text, as a document and as files by their names", async () => {
  const cwd = await builtShop();
  writeFileSync(join(cwd, "tests/data/none.sql"), "select 1 as one");
  expect((await run(["test"], { cwd })).exitCode).toBe(1);
  const text = await run(["report"], { cwd });
  expect(text).toMatchObject({ exitCode: 0, stderr: "" });
  expect(text.stdout).toContain("BAD      Is the data as expected?        1 test failing (1 new)");
  expect(text.stdout).toContain("  NEW  fail  none (1 row)");
  expect(text.stdout).toMatch(/ {2}run pipeline +1 +0 +0 /);
  const { command, verdict, runs, tests } = JSON.parse((await run(["report", "--json"], { cwd })).stdout);
  expect({ command, verdict, runs: runs.length }).toEqual({ command: "report", verdict: "bad", runs: 2 });
  expect(tests).toMatchObject({ failed: 1, failing: [{ name: "none", is_new: true }] });
  const saved = await run(["report", "-o", "out/day.html"], { cwd });
  expect(saved.stdout).toBe("written to out/day.html\n");
  expect(readFileSync(join(cwd, "out/day.html"), "utf8")).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);
  await run(["report", "-o", "day.txt"], { cwd });
  expect(readFileSync(join(cwd, "day.txt"), "utf8")).toContain("Did it run?");
  await run(["report", "-o", "day.json"], { cwd });
  expect(JSON.parse(readFileSync(join(cwd, "day.json"), "utf8"))).toMatchObject({ project: "shop" });
});

test("report --open hands the page to the browser, and says where it is when there is none", async () => {
  const cwd = await builtShop();
  const [browser, seen] = [join(cwd, "browser.sh"), join(cwd, "seen")];
  writeFileSync(browser, `#!/bin/sh\necho "$1" > "${seen}.new" && mv "${seen}.new" "${seen}"\n`);
  chmodSync(browser, 0o755);
  const page = join(cwd, "target/report.html");
  const opened = await run(["report", "--open"], { cwd, env: { BROWSER: browser } });
  expect(opened).toMatchObject({ exitCode: 0, stdout: `opened ${page}\n` });
  expect(await written(seen)).toBe(page);
  expect(readFileSync(page, "utf8")).toContain("Did it run?");
  const none = await run(["report", "--open"], { cwd, env: { BROWSER: join(cwd, "no-such-program") } });
  expect(none).toMatchObject({ exitCode: 0, stdout: `no browser was found: open ${page}\n` });
});

test("a wrong time or template is a wrong call", async () => {
  const cwd = await builtShop();
  const since = await run(["report", "--since", "yesterday"], { cwd });
  expect(since).toMatchObject({ exitCode: 2, stdout: "" });
  expect(since.stderr).toContain('--since  "yesterday" is neither a time nor a duration');
  mkdirSync(join(cwd, "templates"));
  writeFileSync(join(cwd, "templates/report.text.hbs"), "{{#each runs}}{{nmae}}{{/each}}");
  const template = await run(["report"], { cwd });
  expect(template).toMatchObject({ exitCode: 2, stdout: "" });
  expect(template.stderr).toContain("templates/report.text.hbs:1:17  the template cannot be rendered");
});

test("report --send brings it to every channel once, in the form that each takes", async () => {
  const cwd = await builtShop();
  const [mail, hook, pager] = [await startMail(), await startReceiver(), await startReceiver()];
  onTestFinished(async () => void (await Promise.all([mail.stop(), hook.stop(), pager.stop()])));
  const channels = [
    `  mail: {type: email, host: 127.0.0.1, port: ${mail.port}, tls: none, from: a@shop.test, to: [b@shop.test]}`,
    "  chat: {type: slack, url: {env: HOOK_URL}}",
    "  pager: {type: webhook, url: {env: PAGER_URL}, min_severity: critical}",
  ];
  writeFileSync(join(cwd, "monitor.yml"), `channels:\n${channels.join("\n")}\n`);
  const env = { HOOK_URL: hook.url, PAGER_URL: pager.url };
  const sent = await run(["report", "--send"], { cwd, env });
  expect(sent).toMatchObject({ exitCode: 0, stdout: "sent to mail, chat\n" });
  expect(mail.mails.map(({ to }) => to)).toEqual([["b@shop.test"]]);
  expect(mail.mails[0]?.raw).toMatch(/Subject: shop: /);
  expect(mail.mails[0]?.raw).toMatch(/text\/plain[\s\S]*text\/html/);
  expect(hook.posts.map(({ body }) => JSON.parse(body).text)).toEqual([
    expect.stringContaining("Did it run?"),
  ]);
  expect(pager.posts).toEqual([]);
  await run(["report", "--channel", "pager"], { cwd, env });
  expect(JSON.parse(pager.posts[0]?.body ?? "{}")).toMatchObject({
    type: "report",
    data: { data: { project: "shop", verdict: "good" } },
  });
  await run(["alerts", "send"], { cwd, env });
  expect([mail.mails.length, hook.posts.length, pager.posts.length]).toEqual([1, 1, 1]);
});

test("a report that does not get through waits, one without a channel warns, an unknown channel is a wrong call", async () => {
  const cwd = await builtShop();
  const none = await run(["report", "--send"], { cwd });
  expect(none).toMatchObject({ exitCode: 0, stdout: "the report was not sent\n" });
  expect(none.stderr).toContain("no channel takes the report");
  const hook = await startReceiver();
  onTestFinished(() => hook.stop());
  hook.status = 503;
  writeFileSync(join(cwd, "monitor.yml"), "channels: {chat: {type: slack, url: {env: HOOK_URL}}}\n");
  const env = { HOOK_URL: hook.url };
  const waits = await run(["report", "--send"], { cwd, env });
  expect(waits).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("not all got through yet") });
  expect((await run(["alerts", "outbox"], { cwd, env })).stdout).toContain("messages: 1 queued");
  const wrong = await run(["report", "--channel", "chta"], { cwd, env });
  expect(wrong).toMatchObject({ exitCode: 2, stdout: "" });
  expect(wrong.stderr).toContain('--channel  no channel is called "chta"\n  nearest names: chat');
});
