import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Transporter } from "nodemailer";
import type { Context } from "../../core/context.ts";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import { readSecret } from "../../core/secret-places.ts";
import { readTextFile } from "../../core/text-file.ts";
import type { Channel, EmailChannel, SlackChannel, WebhookChannel } from "../settings.ts";
import type { Message } from "./message.ts";
import { HTML, render, SLACK, SUBJECT, TEXT } from "./render.ts";

/** Why a message did not get through. */
export class DeliveryError extends Error {
  override readonly name = "DeliveryError";
  /** Whether every other message would have failed as well: what answers is not the receiver, or nothing does. */
  readonly isChannel: boolean;
  /** What the receiver asked to wait, in milliseconds. */
  readonly waitMs: number;

  constructor(message: string, options: { isChannel: boolean; waitMs?: number; cause?: unknown }) {
    super(message, { cause: options.cause });
    this.isChannel = options.isChannel;
    this.waitMs = options.waitMs ?? 0;
  }
}

/** A way to a channel, open until `close`. */
export interface Sender {
  /** Throws DeliveryError. `id` is the same at every attempt, so that receivers can tell a repetition. */
  send(id: string, message: Message): Promise<void>;
  /** Whether settings are right, as far as that can be told without sending. Throws DeliveryError. */
  check(): Promise<void>;
  close(): void;
}

/** Opens the way to a channel. Throws SECRET_MISSING, CHANNEL_URL (exit 2). */
export async function openSender(ctx: Context, channel: Channel): Promise<Sender> {
  if (channel.type === "email") return emailSender(ctx, channel);
  return channel.type === "slack" ? slackSender(ctx, channel) : webhookSender(ctx, channel);
}

function templateOf(ctx: Context, { template }: Channel, usual: string): string {
  return template === undefined ? usual : readTextFile(ctx.projectDir, template);
}

async function emailSender(ctx: Context, channel: EmailChannel): Promise<Sender> {
  const { createTransport } = await import("nodemailer");
  const { host, port, tls, timeout, from } = channel;
  const ca =
    channel.ca_file === undefined ? undefined : readFileSync(resolve(ctx.projectDir, channel.ca_file));
  const user = channel.user === undefined ? undefined : readSecret(ctx, channel.user);
  const pass = channel.password === undefined ? undefined : readSecret(ctx, channel.password);
  const transport: Transporter = createTransport({
    host,
    port,
    secure: tls === "tls",
    requireTLS: tls === "starttls",
    ignoreTLS: tls === "none",
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    socketTimeout: timeout,
    pool: true,
    maxConnections: 1,
    ...(ca === undefined ? {} : { tls: { ca } }),
    ...(user === undefined ? {} : { auth: { user, pass: pass ?? "" } }),
    // Templates are texts: nothing of them is read from files or addresses.
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const template = templateOf(ctx, channel, HTML);
  return {
    send: async (id, message) => {
      const to = recipients(channel, message);
      const parts =
        message.kind === "report"
          ? { subject: message.subject, text: message.text, html: message.html }
          : {
              subject: render(SUBJECT, message, "header"),
              text: render(TEXT, message, "text"),
              html: render(template, message, "html"),
            };
      if (to.length === 0)
        throw new DeliveryError("nobody to send it to: to: is empty", { isChannel: false });
      const headers = { "Auto-Submitted": "auto-generated" };
      const messageId = `<${id}@sillon>`;
      await transport.sendMail({ from, to, ...parts, messageId, headers }).catch(throwSmtp);
    },
    check: async () => {
      await transport.verify().catch(throwSmtp);
    },
    close: () => transport.close(),
  };
}

function recipients({ to, to_owners }: EmailChannel, message: Message): string[] {
  const owners =
    message.kind === "report" || !to_owners ? [] : message.owners.flatMap(({ email }) => email ?? []);
  return [...new Set([...to, ...owners])];
}

function throwSmtp(error: unknown): never {
  const { responseCode, command } = error as { responseCode?: number; command?: string }; // nodemailer's errors
  // A server that refuses a sender, a recipient or a text may take the next one.
  const isMessage =
    responseCode !== undefined && /^(MAIL|RCPT|DATA)/.test(command ?? "") && responseCode !== 421;
  throw new DeliveryError(messageOf(error), { isChannel: !isMessage, cause: error });
}

interface Post {
  url: URL;
  timeout: number;
  headers?: Record<string, string>;
  body: string;
}

async function post({ url, timeout, headers = {}, body }: Post): Promise<Response> {
  const response = await reach(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body,
    timeout,
  });
  if (response.ok) return response;
  const { status } = response;
  const waitMs = Number(response.headers.get("retry-after") ?? 0) * 1000;
  const isChannel = status === 429 || status >= 500 || [401, 403, 404, 410].includes(status);
  throw new DeliveryError(`answered ${status}${await said(response)}`, {
    isChannel,
    waitMs: Number.isFinite(waitMs) ? waitMs : 0,
  });
}

async function reach(url: URL, { timeout, ...init }: RequestInit & { timeout: number }): Promise<Response> {
  try {
    const signal = AbortSignal.timeout(timeout);
    // A redirect would take the text to somebody else.
    const response = await fetch(url, { ...init, redirect: "manual", signal });
    return response;
  } catch (error) {
    const isLate = error instanceof Error && error.name === "TimeoutError";
    const why = isLate ? `no answer within ${timeout / 1000} s` : messageOf(error);
    throw new DeliveryError(why, { isChannel: true, cause: error });
  }
}

async function said(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  const line = text.split("\n")[0]?.slice(0, 100) ?? "";
  return line === "" ? "" : `: ${line}`;
}

/** The address in a secret. Throws CHANNEL_URL (exit 2). */
function urlIn(ctx: Context, channel: SlackChannel | WebhookChannel): URL {
  const text = readSecret(ctx, channel.url);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new ProjectError("CHANNEL_URL", {
    message: `the address of a ${channel.type} channel is no http address`,
    hint: "put the whole address, https://…, into the variable or file that url: names",
    exitCode: EXIT.usage,
  });
}

/** Longer texts are cut by Slack. */
const MAX_SLACK = 3000;

function slackSender(ctx: Context, channel: SlackChannel): Sender {
  const url = urlIn(ctx, channel);
  const template = templateOf(ctx, channel, SLACK);
  const { timeout } = channel;
  return {
    send: async (_id, message) => {
      const text = message.kind === "report" ? message.slack : render(template, message, "mrkdwn");
      const shown = text.length > MAX_SLACK ? `${text.slice(0, MAX_SLACK)}…` : text;
      await post({ url, timeout, body: JSON.stringify({ text: shown }) });
    },
    check: async () => {
      // A webhook that is in use refuses a message without a text, and posts nothing.
      const response = await reach(url, { method: "POST", body: "{}", timeout });
      if (![200, 400].includes(response.status))
        throw new DeliveryError(`answered ${response.status}${await said(response)}`, { isChannel: true });
    },
    close: () => undefined,
  };
}

function webhookSender(ctx: Context, channel: WebhookChannel): Sender {
  const url = urlIn(ctx, channel);
  const secret = channel.secret === undefined ? undefined : readSecret(ctx, channel.secret);
  const { timeout } = channel;
  const template = channel.template === undefined ? undefined : templateOf(ctx, channel, "");
  return {
    send: async (id, message) => {
      const type = message.kind === "report" ? "report" : `incident.${message.kind}`;
      const own = template !== undefined && message.kind !== "report";
      const timestamp = Math.floor(ctx.clock.now().getTime() / 1000);
      const body = own
        ? render(template, message, "json")
        : JSON.stringify({ type, timestamp: ctx.clock.now().toISOString(), data: message });
      const headers = { "webhook-id": id, "webhook-timestamp": String(timestamp) };
      const signed =
        secret === undefined ? {} : { "webhook-signature": signature(secret, { id, timestamp, body }) };
      await post({ url, timeout, headers: { ...headers, ...signed }, body });
    },
    check: async () => {
      const response = await reach(url, { method: "HEAD", timeout });
      if ([401, 403, 404, 410].includes(response.status) || response.status >= 500)
        throw new DeliveryError(`answered ${response.status}`, { isChannel: true });
    },
    close: () => undefined,
  };
}

/** As Standard Webhooks have it: `v1,` and the base64 of an HMAC-SHA256 of id, time and body. */
export function signature(
  secret: string,
  { id, timestamp, body }: { id: string; timestamp: number; body: string },
): string {
  const key = secret.startsWith("whsec_")
    ? Buffer.from(secret.slice(6), "base64")
    : Buffer.from(secret, "utf8");
  return `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.${body}`).digest("base64")}`;
}
