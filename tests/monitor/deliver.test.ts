import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { deliverDue } from "../../monitor/alerts/deliver.ts";
import type { AlertMessage, ReportMessage } from "../../monitor/alerts/message.ts";
import { render } from "../../monitor/alerts/render.ts";
import { openSender, signature } from "../../monitor/alerts/send.ts";
import { loadMonitor } from "../../monitor/settings.ts";
import { enqueue, listOutbox } from "../../state/outbox.ts";
import { PASSWORD, startMail, startReceiver, USER } from "./receivers.ts";
import { stateGround } from "./state.ts";

const alert = (more: Partial<AlertMessage> = {}): AlertMessage => ({
  kind: "opened",
  project: "shop",
  incident_id: "one",
  severity: "error",
  title: "model orders failed",
  parts: [{ title: "model orders failed", message: "a column is missing" }],
  affected: ["fct_orders"],
  owners: [{ name: "Ada", email: "ada@example.com" }],
  run_id: "0123456789",
  opened_at: "2026-03-02T11:00:00.000Z",
  resolved_at: null,
  ...more,
});

async function groundWith(channel: string, env: Record<string, string> = {}) {
  const ground = stateGround("2026-03-02T12:00:00Z", env);
  writeFileSync(join(ground.folder, "monitor.yml"), `channels: {it: ${channel}}\n`);
  const settings = loadMonitor(ground.folder);
  const { ctx, state } = ground;
  const put = (payload: AlertMessage | ReportMessage) =>
    enqueue(state, ctx.clock.now(), { channel: "it", kind: payload.kind, payload });
  return { ...ground, settings, put, deliver: () => deliverDue(ctx, state, settings) };
}

test("mail goes to a server with TLS and a password, to owners too, escaped in its subject and its page", async () => {
  const mail = await startMail({ isSecure: true });
  onTestFinished(() => mail.stop());
  const ground = await groundWith(
    `{type: email, host: localhost, port: ${mail.port}, tls: starttls, ca_file: ca.pem, user: {env: MAIL_USER}, password: {env: MAIL_PASSWORD}, from: sillon@example.com, to: [ops@example.com], to_owners: true}`,
    { MAIL_USER: USER, MAIL_PASSWORD: PASSWORD },
  );
  writeFileSync(join(ground.folder, "ca.pem"), mail.ca);
  await ground.put(
    alert({ title: "<b>odd</b>\r\nBcc: eve@example.com", parts: [{ title: "", message: "1 < 2 & 3" }] }),
  );
  expect(await ground.deliver()).toEqual({
    sent: 1,
    failed: 0,
    givenUp: 0,
    channels: new Map([["it", null]]),
  });
  const [{ to, raw } = { to: [], raw: "" }] = mail.mails;
  expect(to).toEqual(["ops@example.com", "ada@example.com"]);
  const [head = "", ...body] = raw.replaceAll("=\r\n", "").split("\r\n\r\n");
  expect(head.replaceAll("\r\n ", " ")).toContain("Subject: [shop] error: <b>odd</b> Bcc: eve@example.com");
  expect(head).not.toMatch(/^Bcc:/m);
  expect(body.join("\n")).toContain('<h2 style=3D"color:#b42318">error: &lt;b&gt;odd&lt;/b&gt;');
  expect(body.join("\n")).toContain("1 &lt; 2 &amp; 3");
  expect(body.join("\n")).toContain("- 1 < 2 & 3");
});

test("a wrong password is a fault of the channel, and is not shown", async () => {
  const mail = await startMail({ isSecure: true });
  onTestFinished(() => mail.stop());
  const wrong = "not the password";
  const { ctx, folder, settings, put, deliver, state } = await groundWith(
    `{type: email, host: localhost, port: ${mail.port}, ca_file: ca.pem, user: {env: MAIL_USER}, password: {env: MAIL_PASSWORD}, from: a@example.com, to: [b@example.com]}`,
    { MAIL_USER: USER, MAIL_PASSWORD: wrong },
  );
  writeFileSync(join(folder, "ca.pem"), mail.ca);
  const { it: channel } = settings.channels;
  if (channel === undefined) throw new Error("no channel");
  const sender = await openSender(ctx, channel);
  await expect(sender.check()).rejects.toMatchObject({ isChannel: true });
  sender.close();
  await put(alert());
  expect(await deliver()).toEqual({
    sent: 0,
    failed: 1,
    givenUp: 0,
    channels: new Map([["it", expect.any(String)]]),
  });
  const [row] = await listOutbox(state);
  expect(row).toMatchObject({ status: "queued", attempts: 1 });
  expect(row?.last_error).toContain("Invalid login");
  expect(JSON.stringify(row)).not.toContain(wrong);
});

test("Slack gets text without markup of the data, a report as it is", async () => {
  const hook = await startReceiver();
  onTestFinished(() => hook.stop());
  const { put, deliver } = await groundWith("{type: slack, url: {env: HOOK}}", { HOOK: hook.url });
  await put(alert({ title: "<!channel> & *bold*" }));
  const data = { kind: "report", subject: "s", text: "t", html: "h", data: {} } as const;
  await put({ ...data, slack: "*Daily report*" });
  await deliver();
  const texts = hook.posts.map(({ body }) => (JSON.parse(body) as { text: string }).text);
  expect(texts.sort()[0]).toBe("*Daily report*");
  expect(texts[1]).toContain("&lt;!channel&gt; &amp; \u200b*\u200bbold\u200b*\u200b");
  expect(texts[1]).toContain("Affects: fct_orders");
});

test("webhooks are signed over id, time and body, and keep their id at every attempt", async () => {
  const hook = await startReceiver();
  onTestFinished(() => hook.stop());
  const secret = `whsec_${Buffer.from("a signing key for tests").toString("base64")}`;
  const { put, deliver, clock } = await groundWith("{type: webhook, url: {env: HOOK}, secret: {env: KEY}}", {
    HOOK: hook.url,
    KEY: secret,
  });
  const id = await put(alert());
  hook.status = 503;
  expect(await deliver()).toMatchObject({ failed: 1 });
  expect(await deliver()).toEqual({ sent: 0, failed: 0, givenUp: 0, channels: new Map() });
  hook.status = 200;
  clock.pass(60_000);
  expect(await deliver()).toMatchObject({ sent: 1 });
  const [{ headers, body } = { headers: {}, body: "" }] = hook.posts;
  const timestamp = Number(headers["webhook-timestamp"]);
  expect(headers["webhook-id"]).toBe(id);
  expect(timestamp).toBe(clock.now().getTime() / 1000);
  expect(headers["webhook-signature"]).toBe(signature(secret, { id, timestamp, body }));
  expect(JSON.parse(body)).toMatchObject({ type: "incident.opened", data: { title: "model orders failed" } });
});

test("the signature is that of Standard Webhooks", () => {
  const id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
  const parts = { id, timestamp: 1614265330, body: '{"test": 2432232314}' };
  expect(signature("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", parts)).toBe(
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
  );
});

test("a template of the project is used, its values escaped as JSON; a broken one is told", async () => {
  const hook = await startReceiver();
  onTestFinished(() => hook.stop());
  const { put, deliver, folder, state, clock } = await groundWith(
    "{type: webhook, url: {env: HOOK}, template: page.hbs}",
    { HOOK: hook.url },
  );
  writeFileSync(join(folder, "page.hbs"), '{"text": "{{title}}", "raw": "{{{title}}}"}');
  const title = 'a "quoted"\nline';
  await put(alert({ title }));
  await deliver();
  expect(JSON.parse(hook.posts[0]?.body ?? "")).toEqual({ text: title, raw: title });
  writeFileSync(join(folder, "page.hbs"), "{{#if}");
  await put(alert());
  clock.pass(1000);
  expect(await deliver()).toMatchObject({ failed: 1 });
  expect((await listOutbox(state)).map(({ last_error }) => last_error).join()).toContain(
    "the template of an alert cannot be used",
  );
});

test("what is wrong with a template is said with what to do", () => {
  let thrown: unknown;
  try {
    render("{{#if}", alert(), "html");
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toMatchObject({
    code: "ALERT_TEMPLATE",
    hint: "correct it, or remove template: from the channel",
  });
});

test("an address that is none is told, and what is not delivered in time is given up", async () => {
  const { put, deliver, state, clock, said } = await groundWith("{type: slack, url: {env: HOOK}}", {
    HOOK: "not an address",
  });
  await put(alert());
  expect(await deliver()).toMatchObject({ failed: 1 });
  expect(await listOutbox(state)).toMatchObject([
    { last_error: "the address of a slack channel is no http address" },
  ]);
  clock.pass(25 * 3_600_000);
  expect(await deliver()).toMatchObject({ givenUp: 1 });
  expect(await listOutbox(state)).toMatchObject([{ status: "given_up", attempts: 2 }]);
  expect(said.map(({ event }) => event)).toContain("alert_given_up");
});

test("two processes that send at once send each message once, and what one of them had in hand when it ended is sent", async () => {
  const hook = await startReceiver();
  onTestFinished(() => hook.stop());
  const { put, deliver, state, clock } = await groundWith("{type: webhook, url: {env: HOOK}}", {
    HOOK: hook.url,
  });
  for (let count = 0; count < 20; count++) await put(alert());
  const [first, second] = await Promise.all([deliver(), deliver()]);
  expect((first?.sent ?? 0) + (second?.sent ?? 0)).toBe(20);
  expect(new Set(hook.posts.map(({ headers }) => headers["webhook-id"])).size).toBe(20);
  const id = await put(alert());
  const lease_until = new Date(clock.now().getTime() + 1000).toISOString();
  await state.updateTable("outbox").set({ status: "sending", lease_until }).where("id", "=", id).execute();
  expect(await deliver()).toMatchObject({ sent: 0 });
  clock.pass(2000);
  expect(await deliver()).toMatchObject({ sent: 1 });
});
