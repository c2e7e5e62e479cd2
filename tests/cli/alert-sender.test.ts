import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { startAlertSender } from "../../cli/alert-sender.ts";
import { projectFolders } from "../../core/config.ts";
import { keepMetrics } from "../../state/metrics.ts";
import { listOutbox } from "../../state/outbox.ts";
import { emptyRun, findRuns } from "../../state/runs.ts";
import { PASSWORD, startMail, startReceiver, USER } from "../monitor/receivers.ts";
import { stateGround } from "../monitor/state.ts";

const EVERY_MS = 10;
const WITHIN = { timeout: 20_000, interval: 20 };

/** The loop of `run up` between a mail server with TLS and a password, and a receiver of webhooks. */
async function sendingGround(rules = "", jobs: string[] = []) {
  const [mail, receiver] = [await startMail({ isSecure: true }), await startReceiver()];
  const env = { MAIL_USER: USER, MAIL_PASSWORD: PASSWORD, HOOK: receiver.url };
  const ground = stateGround("2026-03-02T12:00:00Z", env);
  const { folder, ctx, state } = ground;
  const write = (text: string) => writeFileSync(join(folder, "monitor.yml"), text);
  const email = `{type: email, host: localhost, port: ${mail.port}, ca_file: ca.pem, user: {env: MAIL_USER}, password: {env: MAIL_PASSWORD}, from: s@example.com, to: [ops@example.com]}`;
  writeFileSync(join(folder, "ca.pem"), mail.ca);
  write(`channels:\n  mail: ${email}\n  hook: {type: webhook, url: {env: HOOK}}\n${rules}`);
  const workspace = { ctx, folders: projectFolders(folder), project: { name: "shop" } };
  const sender = startAlertSender(workspace, state, { everyMs: EVERY_MS, jobs: () => jobs });
  onTestFinished(async () => {
    await sender.stop();
    await mail.stop();
    await receiver.stop();
  });
  const endJob = async (id: string, status: "failed" | "success") => {
    const at = ctx.clock.now().toISOString();
    const row = emptyRun({
      id,
      command: "job",
      invocation: "job",
      trigger: "schedule",
      queued_at: at,
      status,
    });
    const run = {
      ...row,
      job: "nightly",
      started_at: at,
      ended_at: at,
      reason: status === "failed" ? "exit 1" : null,
    };
    await state.insertInto("runs").values(run).execute();
    const [found] = await findRuns(state, id);
    if (found !== undefined) sender.jobEnded(found);
  };
  const sent = async () =>
    (await listOutbox(state, { status: "sent" })).map(({ channel, kind }) => `${channel} ${kind}`).sort();
  return { ...ground, mail, receiver, sender, endJob, sent, write };
}

test("a job that fails is told by mail and webhook, once each, and when it is green again", async () => {
  const { mail, receiver, endJob, sent } = await sendingGround();
  await endJob("first", "failed");
  await vi.waitFor(async () => expect(await sent()).toEqual(["hook opened", "mail opened"]), WITHIN);
  await endJob("second", "failed");
  await endJob("third", "success");
  const all = ["hook opened", "hook resolved", "mail opened", "mail resolved"];
  await vi.waitFor(async () => expect(await sent()).toEqual(all), WITHIN);
  expect(mail.mails).toHaveLength(2);
  expect(receiver.posts.map(({ body }) => JSON.parse(body).type)).toEqual([
    "incident.opened",
    "incident.resolved",
  ]);
});

test("a receiver that is away gets its message later, and holds the others up no longer", async () => {
  const { said, clock, state, mail, receiver, endJob, sent } = await sendingGround();
  receiver.status = 503;
  await endJob("first", "failed");
  await vi.waitFor(async () => expect(await sent()).toEqual(["mail opened"]), WITHIN);
  await vi.waitFor(async () => {
    const [waiting] = await listOutbox(state, { status: "queued" });
    expect(waiting).toMatchObject({ channel: "hook", attempts: 1 });
    expect(waiting?.last_error).toContain("answered 503");
  }, WITHIN);
  receiver.status = 200;
  clock.pass(60_000);
  await vi.waitFor(async () => expect(await sent()).toEqual(["hook opened", "mail opened"]), WITHIN);
  expect([mail.mails.length, receiver.posts.length]).toEqual([1, 1]);
  const told = () =>
    said.filter(({ event }) => event.startsWith("channel_")).map(({ event, message }) => [event, message]);
  await vi.waitFor(
    () =>
      expect(told()).toEqual([
        ["channel_failing", "messages to hook wait, see run alerts outbox: answered 503: ok"],
        ["channel_works", "messages to hook get through again"],
      ]),
    WITHIN,
  );
});

test("an incident of a job that is defined no longer is over", async () => {
  const jobs = ["nightly", "other"];
  const { clock, endJob, sent } = await sendingGround("", jobs);
  await endJob("first", "failed");
  await vi.waitFor(async () => expect(await sent()).toEqual(["hook opened", "mail opened"]), WITHIN);
  clock.pass(61_000);
  await vi.waitFor(async () => expect(await sent()).toHaveLength(2), WITHIN);
  jobs.shift();
  clock.pass(61_000);
  const all = ["hook opened", "hook resolved", "mail opened", "mail resolved"];
  await vi.waitFor(async () => expect(await sent()).toEqual(all), WITHIN);
});

test("what grows old while nothing runs is told", async () => {
  const rules = "rules:\n  - {name: not_run, metric: run_success_age_seconds, max: 1h}\n";
  const { clock, ctx, state, sent } = await sendingGround(rules);
  const points = [{ name: "run_success_age_seconds", labels: { command: "pipeline" }, value: 0 }];
  await keepMetrics(state, { runId: "old", at: ctx.clock.now(), points });
  clock.pass(2 * 3_600_000);
  await vi.waitFor(async () => expect(await sent()).toEqual(["hook opened", "mail opened"]), WITHIN);
});

test("while the settings are wrong the former ones hold, and that is told once", async () => {
  const { said, write, endJob, sent } = await sendingGround();
  write("channels: {mail: {type: pigeon}}\n");
  await endJob("first", "failed");
  await vi.waitFor(async () => expect(await sent()).toEqual(["hook opened", "mail opened"]), WITHIN);
  await endJob("second", "success");
  await vi.waitFor(async () => expect(await sent()).toHaveLength(4), WITHIN);
  const told = said.filter(({ event }) => event === "monitor_failed");
  expect(told).toHaveLength(1);
  expect(told[0]?.message).toContain("the former settings of the monitor hold: monitor.yml:1:");
});
