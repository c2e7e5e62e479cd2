import { once } from "node:events";
import { request } from "node:http";
import { connect } from "node:net";
import { join } from "node:path";
import Sqlite from "libsql";
import { onTestFinished } from "vitest";
import { createContext } from "../../core/context.ts";
import { parseYaml } from "../../core/yaml.ts";
import { ANSWER_COLUMNS } from "../../reco/feedback/tables.ts";
import { type Recommender, startRecommender } from "../../reco/serve/recommender.ts";
import { createStore, makeCurrent, type ServedAlias, writeMeta } from "../../reco/serve/store.ts";
import { readRecoSettings } from "../../reco/settings.ts";
import { openState } from "../../state/database.ts";
import type { ServingAccess } from "../../web/serving/admission.ts";
import { startServing } from "../../web/serving/server.ts";
import { temporaryFolder } from "../e2e/cli.ts";

const TRACKS = 40;

const itemOf = (track: number, rank: number) => ({
  rank,
  track_id: `t${track}`,
  title: `Title ${track}`,
  artist: `Artist ${track % 7}`,
  score: 2 - track / TRACKS,
  why: "because you play something",
});

const listOf = (from: number, length: number) =>
  Array.from({ length }, (_, place) => itemOf((from + place) % TRACKS, place + 1));

export interface StoreOptions {
  name: string;
  version: number;
  users?: number;
  alias?: ServedAlias;
  /** Of the whole file: what is wrong with it. */
  meta?: Record<string, unknown>;
  spoil?: (store: ReturnType<typeof createStore>) => void;
}

/** Prepared lists of users u0, u1, …: of user n discover begins at track n, on repeat at n + 20. */
export function writeServingStore(folder: string, options: StoreOptions): string {
  const { name, version, users = 5, alias = "champion" } = options;
  const store = createStore(folder, name);
  for (let user = 0; user < users; user++) {
    const id = `u${user}`;
    const add = (table: string, ...values: (string | number)[]) =>
      store.prepare(`insert into ${table} values (${values.map(() => "?").join(", ")})`).run(...values);
    add("lists", id, "discover", JSON.stringify(listOf(user, 15)));
    add("lists", id, "on_repeat", JSON.stringify(listOf(user + 20, 10)));
    add("playlists", id, JSON.stringify([{ name: "Your mix", items: listOf(user, 5) }]));
    add("users", id, user % 2 === 0 ? "Rock" : "Jazz", 10);
    add(
      "features",
      "user_track",
      id,
      `t${(user + 20) % TRACKS}`,
      "2026-01-01",
      '{"plays": 3, "decayed_plays": 2}',
    );
  }
  for (let track = 0; track < TRACKS; track++) {
    const genres = JSON.stringify([track % 2 === 0 ? "Rock" : "Jazz"]);
    store
      .prepare("insert into tracks values (?, ?, ?, ?)")
      .run(`t${track}`, `Title ${track}`, `Artist ${track % 7}`, genres);
    store.prepare("insert into similar values (?, ?)").run(`t${track}`, JSON.stringify(listOf(track + 1, 5)));
  }
  for (const segment of ["all", "Rock", "Jazz"])
    store.prepare("insert into fallbacks values (?, ?)").run(segment, JSON.stringify(listOf(30, 10)));
  options.spoil?.(store);
  writeMeta(store, {
    format: 1,
    inference_id: name,
    model_version: version,
    basis: "b",
    cutoff: "2026-01-01 00:00:00",
    created_at: "2026-01-01T00:00:00.000Z",
    expires_at: "2099-01-01T00:00:00.000Z",
    users,
    rules: JSON.stringify(settingsOf("{}").rules),
    ...options.meta,
  });
  store.close();
  return join(folder, makeCurrent(folder, { name, version, keep: 5, alias }));
}

function settingsOf(reco: string) {
  return readRecoSettings(parseYaml("project.yml", `reco: ${reco}`));
}

export interface Served {
  url: string;
  folder: string;
  serving: string;
  recommender: Recommender;
  stop: () => Promise<void>;
}

/** A server over a folder with the lists of v1, or of none. */
export async function serve(
  settings = "{}",
  {
    access = {},
    isEmpty = false,
    folder = temporaryFolder(),
  }: { access?: Partial<ServingAccess>; isEmpty?: boolean; folder?: string } = {},
): Promise<Served> {
  const serving = join(folder, "serving");
  if (!isEmpty) writeServingStore(serving, { name: "a", version: 1 });
  const state = openState(join(folder, "state.db"), { project: "shop", folder });
  const ctx = createContext({ projectDir: folder, env: {}, sink: () => undefined });
  const recommender = await startRecommender(ctx, {
    settings: settingsOf(settings),
    state,
    folders: { projectDir: folder, serving, feedbackFile: join(folder, "feedback.db") },
  });
  const server = await startServing(
    {
      version: "0.0.0",
      recommender,
      access: {
        token: undefined,
        readToken: undefined,
        isLoopback: true,
        requestsPerSecond: 0,
        now: () => performance.now(),
        ...access,
      },
      onFault: (error) => {
        throw error;
      },
    },
    { host: "127.0.0.1", port: 0, noticeMs: 0 },
  );
  let isStopped = false;
  const stop = async () => {
    if (isStopped) return;
    isStopped = true;
    await server.stop();
    await recommender.close();
    await state.destroy();
  };
  onTestFinished(stop);
  return { url: server.url, folder, serving, recommender, stop };
}

export interface Reply {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  // biome-ignore lint/suspicious/noExplicitAny: any JSON; the tests say what has to be in it
  body: any;
}

/** Any request, also such as fetch refuses to send. */
export async function send(
  url: string,
  path: string,
  {
    method = "GET",
    headers = {},
    body,
  }: { method?: string; headers?: Record<string, string>; body?: string } = {},
): Promise<Reply> {
  const asked = request(`${url}${path}`, { method, headers });
  asked.end(body);
  const [response] = await once(asked, "response");
  let text = "";
  for await (const chunk of response) text += chunk;
  const isJson = String(response.headers["content-type"]).startsWith("application/json") && text !== "";
  return { status: response.statusCode, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}

let keys = 0;

export function tell(
  url: string,
  event: Record<string, unknown>,
  { key = `key-${keys++}`, headers = {} }: { key?: string; headers?: Record<string, string> } = {},
): Promise<Reply> {
  return send(url, "/v1/feedback", {
    method: "POST",
    headers: { "content-type": "application/json", "idempotency-key": key, ...headers },
    body: JSON.stringify(event),
  });
}

/** The log of answers of a server that has stopped. */
export function readAnswers(folder: string): Record<string, unknown>[] {
  const store = new Sqlite(join(folder, "feedback.db"));
  try {
    const rows = store.prepare("select answers from answer_log order by seq").all() as { answers: string }[]; // its own table
    return rows.flatMap(({ answers }) =>
      (JSON.parse(answers) as unknown[][]).map((values) =>
        Object.fromEntries(ANSWER_COLUMNS.map((name, place) => [name, values[place]])),
      ),
    );
  } finally {
    store.close();
  }
}

/** What a server says to bytes that no client would send. */
export async function sendBytes(url: string, bytes: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.write(bytes);
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString()));
  await once(socket, "close");
  return text;
}
