import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { all, type Case, none, type Report, type Size } from "./case.ts";
import { listenToSomething, SCORED, scoringProject } from "./scoring.ts";
import {
  createClient,
  load,
  quantile,
  rounded,
  type Server,
  servingProject,
  startServing,
} from "./serving.ts";

const NUMBERS = {
  quick: { slow: 100, kinds: 2, besideSeconds: 0.5, overSeconds: 1, comingMs: 300 },
  full: { slow: 1_000, kinds: 3, besideSeconds: 20, overSeconds: 60, comingMs: 4_000 },
} as const;
const USERS = 500;
const BYTE_MS = 10_000;
const CLOSED_WITHIN_MS = 15_000;
const PATIENCE_MS = 25_000;
const RATE = 300;
const CONNECTIONS = 64;
const MANY_CONNECTIONS = 1_000;

/** What a slow client begins with: it never gets to the end. */
const BEGINNINGS = [
  "",
  "GET /v1/users/u1/recommendations HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
  "POST /v1/feedback HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nIdempotency-Key: slow\r\nContent-Length: 80\r\n\r\n{",
];

/** Lists that are asked for again, so that they are at hand. */
const PREPARED = Array.from({ length: USERS }, (_, user) => `/v1/users/u${user}/recommendations?k=10`);

/** Never the same list twice: an answer that is at hand costs no more than turning its caller away. */
const [TO_MEASURE, TOO_MANY, FROM_OTHERS] = [
  SCORED.slice(0, 25_000),
  SCORED.slice(25_000, 95_000),
  SCORED.slice(95_000),
];

/** V-05: slow clients, and too many of them. */
export const tooManyClients: Case = {
  id: "V-05",
  run: async ({ size, projects }): Promise<Report> => {
    const failures: string[] = [];
    const prepared = await startServing(servingProject(projects, { users: USERS }));
    const slow = await besideSlowClients(prepared, size).finally(prepared.stop);
    const scoring = await startServing(await scoringProject(projects));
    await listenToSomething(scoring);
    const over = await overload(scoring, size, failures).finally(scoring.stop);
    const ends = [await prepared.ended, await scoring.ended];
    return { figures: [...slow, ...over, none("crashes", ends.filter((end) => end !== 0).length)], failures };
  },
};

/** Times are judged with full numbers alone: a machine that does something else would fail the quick ones. */
function bound(size: Size, atMost: number): { atMost?: number } {
  return size === "full" ? { atMost } : {};
}

async function besideSlowClients(server: Server, size: Size) {
  const { slow, kinds, besideSeconds, comingMs } = NUMBERS[size];
  const options = { lines: PREPARED, rate: RATE, seconds: besideSeconds, connections: CONNECTIONS };
  await load(server, options); // its warm-up
  const alone = await load(server, options);
  const clients = Array.from({ length: slow }, (_, number) =>
    delay((number / slow) * comingMs).then(() => sendSlowly(server, BEGINNINGS[number % kinds] ?? "")),
  );
  const beside = await load(server, options);
  const openMs = (await Promise.all(clients)).filter((ms) => ms !== undefined);
  return [
    all("slow_clients_closed", openMs.length, slow),
    {
      name: "slowest_close_s",
      value: rounded(Math.max(...openMs) / 1000),
      ...bound(size, CLOSED_WITHIN_MS / 1000),
    },
    { name: "p99_ms", value: rounded(alone.p99) },
    { name: "p99_beside_them", value: rounded((beside.p99 ?? 0) / (alone.p99 || 1)), ...bound(size, 2) },
    none("errors_beside_them", alone.errors + beside.errors),
  ];
}

/** A byte now and then; milliseconds until the server closed the connection, undefined when it never did. */
function sendSlowly({ url }: Server, beginning: string): Promise<number | undefined> {
  const { hostname, port } = new URL(url);
  const from = performance.now();
  return new Promise((resolve) => {
    const socket: Socket = connect(Number(port), hostname, () => socket.write(beginning));
    const timer = setInterval(() => socket.write("x"), BYTE_MS);
    const last = setTimeout(() => end(undefined), PATIENCE_MS);
    const end = (ms: number | undefined) => {
      clearInterval(timer);
      clearTimeout(last);
      socket.destroy();
      resolve(ms);
    };
    socket.on("error", () => undefined); // and closes
    socket.on("data", () => undefined);
    socket.on("close", () => end(performance.now() - from));
  });
}

/** As many as it answers, then five times as many whether it answers or not, then few again. */
async function overload(server: Server, size: Size, failures: string[]) {
  const { overSeconds } = NUMBERS[size];
  const options = {
    lines: TO_MEASURE,
    seconds: Math.min(10, overSeconds),
    rate: 0,
    connections: CONNECTIONS,
  };
  const most = await load(server, options);
  const capacity = (most.statuses["200"] ?? 0) / options.seconds;
  const rate = Math.round(5 * capacity);
  const running = { is: true };
  const watched = watch(server, running);
  const over = await load(server, {
    lines: TOO_MANY,
    rate,
    seconds: overSeconds,
    connections: MANY_CONNECTIONS,
  });
  running.is = false;
  const seen = await watched;
  const others = Object.keys(over.statuses).filter((status) => status !== "200" && status !== "503");
  if (others.length > 0) failures.push(`statuses under overload: ${others}`);
  const recovery = await secondsToNormal(server, most.p99 ?? 0);
  return [
    { name: "capacity", value: Math.round(capacity) },
    { name: "p99_at_capacity_ms", value: rounded(most.p99) },
    { name: "sent_a_second", value: Math.round(over.answers / overSeconds) },
    { name: "accepted", value: over.statuses["200"] ?? 0 },
    { name: "turned_away", value: over.statuses["503"] ?? 0 },
    none("without_retry_after", seen.withoutRetryAfter),
    { name: "refusal_p99_ms", value: rounded(quantile(seen.refusalMs, 0.99)) },
    { name: "accepted_p99_ms", value: rounded(over.p99) },
    {
      name: "accepted_p99_of_capacity",
      value: rounded((over.p99 ?? 0) / (most.p99 || 1)),
      ...bound(size, 5),
    },
    none("broken", over.broken),
    { name: "normal_after_s", value: rounded(recovery), ...bound(size, 5) },
  ];
}

/** Another caller's view of a server that has too much to do. */
async function watch({ url }: Server, running: { is: boolean }) {
  const client = createClient(CONNECTIONS);
  const refusalMs: number[] = [];
  let withoutRetryAfter = 0;
  const asked: Promise<void>[] = [];
  for (let number = 0; running.is; number++) {
    asked.push(
      client.ask(url, FROM_OTHERS[number % FROM_OTHERS.length] ?? "").then((answer) => {
        if (answer?.status !== 503) return;
        refusalMs.push(answer.ms);
        if (answer.headers["retry-after"] === undefined) withoutRetryAfter++;
      }),
    );
    await delay(20);
  }
  await Promise.all(asked);
  client.close();
  return { refusalMs, withoutRetryAfter };
}

const IN_A_ROW = 20;

/** Until so many answers in a row are as fast as they were at capacity. */
async function secondsToNormal({ url }: Server, p99: number): Promise<number> {
  const client = createClient(1);
  const from = performance.now();
  let inARow = 0;
  for (const path of FROM_OTHERS.toReversed()) {
    const answer = await client.ask(url, path);
    inARow = answer?.status === 200 && answer.ms <= p99 ? inARow + 1 : 0;
    if (inARow === IN_A_ROW || performance.now() - from > PATIENCE_MS) break;
  }
  client.close();
  return (performance.now() - from) / 1000;
}
