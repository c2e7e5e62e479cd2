import { gzipSync } from "node:zlib";
import type { Random } from "../../moovitamix/world/random.ts";
import { type Case, none, type Report } from "./case.ts";
import {
  type Asked,
  createClient,
  feedbackOf,
  memoryMb,
  rounded,
  servingProject,
  startServing,
} from "./serving.ts";

const REQUESTS = { quick: 3_000, full: 100_000 } as const;
const CONNECTIONS = 8;
const MAX_BODY_BYTES = 16 * 1024;
const REFUSED = [400, 404, 405, 413, 415, 422, 431];

interface Sent extends Asked {
  path: string;
  /** Whether it has to be refused. */
  isWrong?: boolean;
}

const K = [
  ..."0 -1 1e9 NaN 101 1.5 0x10 ０ ٣ null true [] {} ∞".split(" "),
  "",
  " 5",
  "5 ",
  "%00",
  "1&k=2",
  "10;drop",
];
const TEXTS = [
  ...[
    "nobody",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "..",
    "../../etc/passwd",
    "%",
    "%zz",
  ],
  ...["🎵", "é", "ｕ１", "\u202eu0", "\u0000", "a\nb", "'; drop table lists; --", "<script>", "{{7*7}}"],
  "x".repeat(129),
  "e\u0301".repeat(70),
];
const FIELDS = ["user_id", "track_id", "kind", "listened_ms", "request_id", "shelf", "position"];
const VALUES = [
  null,
  true,
  0,
  -1,
  Number.MAX_VALUE,
  1.5,
  "",
  [],
  {},
  ["u1"],
  { a: 1 },
  "x".repeat(500),
  "\u0000",
  2 ** 53,
];

/** V-04: any input. */
export const anyInput: Case = {
  id: "V-04",
  run: async ({ size, random, projects }): Promise<Report> => {
    const folder = servingProject(projects);
    const server = await startServing(folder);
    const client = createClient(CONNECTIONS);
    const failures: string[] = [];
    const found = { done: 0, refused: 0, faults: 0, told: 0, broken: 0, slowestMs: 0 };
    const count = REQUESTS[size];
    const check = async (sent: Sent) => {
      const answer = await client.ask(server.url, sent.path, sent);
      found.done++;
      const title = `${sent.method ?? "GET"} ${sent.path.slice(0, 120)} ${String(sent.body ?? "").slice(0, 80)}`;
      if (answer === undefined) {
        found.broken++;
        failures.push(`${title}: no answer`);
        return;
      }
      const { status, text, ms } = answer;
      if (status >= 500) found.faults++;
      if (isTelling(text, folder)) found.told++;
      if (status < 400 ? sent.isWrong : !REFUSED.includes(status))
        failures.push(`${title}: ${status} ${text}`);
      if (status < 400) return;
      found.refused++;
      found.slowestMs = Math.max(found.slowestMs, ms);
      if (!namesField(text)) failures.push(`${title}: no field in ${text.slice(0, 200)}`);
    };
    const sendMany = (upTo: number) =>
      Promise.all(
        Array.from({ length: CONNECTIONS }, async () => {
          while (found.done < upTo) await check(requestOf(random));
        }),
      );
    try {
      await sendMany(count / 3);
      const before = memoryMb(server.pid);
      await sendMany(count);
      const growth = memoryMb(server.pid) - before;
      return {
        figures: [
          { name: "requests", value: found.done },
          { name: "refused", value: found.refused },
          none("5xx", found.faults),
          none("stacks_or_paths", found.told),
          none("no_answer", found.broken),
          none("crashes", server.child.exitCode === null ? 0 : 1),
          { name: "slowest_refusal_ms", value: rounded(found.slowestMs) },
          { name: "memory_growth_mb", value: rounded(growth), atMost: 50 },
        ],
        failures,
      };
    } finally {
      client.close();
      await server.kill();
    }
  },
};

function isTelling(text: string, folder: string): boolean {
  return text.includes(folder) || /\n\s+at |\.[cm]?[jt]s:\d|node_modules|node:internal/.test(text);
}

function namesField(text: string): boolean {
  try {
    const { error } = JSON.parse(text);
    return typeof error.field === "string" && error.field !== "" && typeof error.hint === "string";
  } catch {
    return false;
  }
}

function requestOf(random: Random): Sent {
  const kinds = [list, list, user, track, route, body, body, largeBody, headers];
  return random.pick(kinds)(random);
}

/** As a careless client would write it: Node refuses to send some of them as they are. */
function text(random: Random): string {
  const one = random.pick(TEXTS);
  return /^[\w%.]+$/.test(one) && random.chance(0.5) ? one : encodeURIComponent(one);
}

function list(random: Random): Sent {
  const k = random.pick(K);
  const written = k.includes("&") || k.includes("%") ? k : encodeURIComponent(k);
  const query = random.pick([
    `k=${written}`,
    `k=${"9".repeat(random.integer(4, 2_000))}`,
    `shelf=${text(random)}`,
    "shelf=discover&shelf=on_repeat",
    `exclude_seen=${text(random)}`,
    `genre=${text(random)}`,
    `${text(random)}=1`,
    "__proto__[k]=1",
    `genre=${"g".repeat(random.pick([200, 10_000, 20_000]))}`,
  ]);
  return { path: `/v1/users/u1/recommendations?${query}`, isWrong: true };
}

/** Strangers get an answer too. */
function user(random: Random): Sent {
  return {
    path: `/v1/users/${text(random)}/${random.pick(["recommendations", "playlists", "tracks/t1/why"])}`,
  };
}

function track(random: Random): Sent {
  return {
    path: random.pick([`/v1/tracks/${text(random)}/similar`, `/v1/users/u1/tracks/${text(random)}/why`]),
    isWrong: true,
  };
}

function route(random: Random): Sent {
  return {
    path: random.pick([
      `/${text(random)}`,
      "/v1",
      "/v1//users",
      "/v1/users/",
      `/v2/users/u1`,
      "/v1/health?x=1",
    ]),
    method: random.pick(["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"]),
    headers: { "content-type": "application/json" },
    isWrong: true,
  };
}

let keys = 0;

function body(random: Random): Sent {
  const good: Record<string, unknown> = { user_id: "u1", track_id: "t1", kind: "like" };
  const event = random.pick<() => unknown>([
    () => ({ ...good, [random.pick(FIELDS.slice(0, 3))]: random.pick(VALUES) }),
    () => ({ ...good, listened_ms: random.pick([-1, 1.5, "1", 1e12, [], {}]) }),
    () => ({ ...good, [random.pick(["__proto__", "constructor", "x", ""])]: 1, extra: 1 }),
    () => random.pick([null, 1, "text", [], [good], {}]),
  ])();
  return {
    path: "/v1/feedback",
    ...feedbackOf(`key-${keys++}`, event as Record<string, unknown>),
    isWrong: true,
  };
}

function largeBody(random: Random): Sent {
  const sent = random.pick<() => string | Buffer>([
    () => `"${"x".repeat(MAX_BODY_BYTES - 1)}"`,
    () => "[".repeat(10_000) + "]".repeat(10_000),
    () => "[".repeat(5_000) + "]".repeat(5_000),
    () => '{"a":'.repeat(3_000),
    () => `{${Array.from({ length: 100_000 }, (_, place) => `"${place}":1`).join()}}`,
    () => `{${Array.from({ length: 1_500 }, (_, place) => `"${place}":1`).join()}}`,
    () => Buffer.from([0xff, 0xfe, 0x00, 0x80]),
    () => "",
    () => '{"user_id": "u1", "user_id": ',
  ])();
  return { path: "/v1/feedback", ...feedbackOf(`key-${keys++}`, {}), body: sent, isWrong: true };
}

const BOMB = gzipSync(Buffer.alloc(10_000_000));

function headers(random: Random): Sent {
  const given = feedbackOf("k", { user_id: "u1", track_id: "t1", kind: "like" });
  const json = { "content-type": "application/json" };
  return random.pick<() => Sent>([
    () => ({ ...given, path: "/v1/feedback", headers: json, isWrong: true }),
    () => ({
      ...given,
      path: "/v1/feedback",
      headers: { ...json, "idempotency-key": "k".repeat(129) },
      isWrong: true,
    }),
    () => ({
      ...given,
      path: "/v1/feedback",
      headers: { "content-type": random.pick(["text/plain", "application/x-www-form-urlencoded"]) },
      isWrong: true,
    }),
    () => ({
      ...{ path: "/v1/feedback", method: "POST", body: BOMB, isWrong: true },
      headers: { ...json, "content-encoding": "gzip", "idempotency-key": "z" },
    }),
    () => ({ path: `/v1/users/u1/recommendations?genre=${"q".repeat(1_000_000)}`, isWrong: true }),
  ])();
}
