import type { ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import type { Answer } from "../answers.ts";
import type { FaultKind, FaultRule } from "../faults.ts";
import type { Strike } from "./strikes.ts";

/** Sends the whole answer. */
export function sendAnswer(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, answer.headers);
  response.end(answer.body);
}

type Send = (response: ServerResponse, answer: Answer, strike: Strike) => void;
const SENDERS: Partial<Record<FaultKind, Send>> = {
  reset: sendThenReset,
  cut: sendCut,
  stall: sendStalled,
  delay: sendLate,
};

/** Sends the answer as far as the fault lets it through. */
export function sendWithFault(response: ServerResponse, answer: Answer, strike: Strike): void {
  const send = SENDERS[strike.rule.kind] ?? sendAnswer;
  send(response, answer, strike);
}

/** Whether the client gets to see a status line. */
export function hidesStatus(rule: FaultRule): boolean {
  if (rule.kind === "reset") return rule.at === undefined && rule.bytes === undefined;
  return rule.kind === "stall" && (rule.where ?? "start") === "start";
}

function sendThenReset(response: ServerResponse, answer: Answer, strike: Strike): void {
  const reset = () => response.socket?.resetAndDestroy();
  if (hidesStatus(strike.rule)) {
    reset();
    return;
  }
  response.writeHead(answer.status, answer.headers);
  sendPart(response, firstPart(answer.body, strike, 0.5), reset);
}

function sendCut(response: ServerResponse, answer: Answer, strike: Strike): void {
  const { framing = "length" } = strike.rule;
  const { "content-length": _, ...headers } = answer.headers;
  const whole = framing === "gzip" ? gzipSync(answer.body) : answer.body;
  const part = firstPart(whole, strike, 0.5);
  if (framing === "gzip") {
    // The length matches what is sent: only the missing trailer tells that the stream ended early.
    response.writeHead(answer.status, {
      ...headers,
      "content-encoding": "gzip",
      "content-length": part.length,
    });
    response.end(part);
    return;
  }
  response.writeHead(answer.status, framing === "length" ? answer.headers : headers);
  sendPart(response, part, () => response.socket?.end());
}

function sendStalled(response: ServerResponse, answer: Answer, strike: Strike): void {
  const { where = "start", ms = 5000 } = strike.rule;
  if (where === "start") return;
  response.writeHead(answer.status, answer.headers);
  response.flushHeaders();
  if (where === "body") sendPart(response, firstPart(answer.body, strike, 0.6), () => {});
  if (where === "drip") dripBody(response, answer.body, ms);
}

/** One byte at a time until the body is complete or the client goes away. */
function dripBody(response: ServerResponse, body: Buffer, ms: number): void {
  let sent = 0;
  const timer = setInterval(() => {
    response.write(body.subarray(sent, sent + 1));
    sent += 1;
    if (sent < body.length) return;
    clearInterval(timer);
    response.end();
  }, ms);
  response.once("close", () => clearInterval(timer));
}

function sendLate(response: ServerResponse, answer: Answer, { rule }: Strike): void {
  const timer = setTimeout(() => sendAnswer(response, answer), rule.ms ?? 2000);
  response.once("close", () => clearTimeout(timer));
}

/** Never the whole: at least one byte is held back. */
function firstPart(body: Buffer, { rule, random }: Strike, usual: number): Buffer {
  const share = rule.at === "random" ? random.next() : (rule.at ?? usual);
  const bytes = rule.bytes ?? Math.floor(body.length * share);
  return body.subarray(0, Math.max(0, Math.min(bytes, body.length - 1)));
}

function sendPart(response: ServerResponse, part: Buffer, done: () => void): void {
  // Headers alone are sent as well: an empty write would hold them back.
  response.flushHeaders();
  if (part.length === 0) setImmediate(done);
  else response.write(part, done);
}
