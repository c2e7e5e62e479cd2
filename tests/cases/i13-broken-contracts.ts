import { cpSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand } from "./command.ts";
import type { Files } from "./folders.ts";
import { readRows } from "./read.ts";
import { pageText, sendTexts, startServer } from "./sources.ts";

const TOKEN = "tok-7f3a9c51d2e84b60";
const STREAMS = ["refused", "accepted", "failed"] as const;
const MODES = { refused: "quarantine", accepted: "accept", failed: "fail" };

function project(): Files {
  const streams = STREAMS.map(
    (name) =>
      `{ name: "${name}", path: "/${name}", key: ["id"], record, contract: { onInvalid: "${MODES[name]}" } }`,
  );
  return {
    "project.yml":
      "name: shop\nschema_names: exact\ningest: {max_attempts: 2, backoff_seconds: 0.01, idle_timeout_seconds: 5}\n",
    "ingest/sources/feed.ts": `import { defineSource } from "sillon";
import { z } from "zod";
const record = z.strictObject({ id: z.int().nullable(), name: z.string(), genre: z.enum(["jazz", "rock"]), at: z.iso.datetime() });
export const source = defineSource({
  name: "feed", baseUrl: { env: "API_URL" }, pageSize: 10,
  authentication: { type: "bearer", token: { env: "API_TOKEN" } },
  streams: [${streams.join(", ")}],
});
`,
  };
}

const songOf = (id: number, name = `T${id}`) => ({ id, name, genre: "jazz", at: "2026-01-01T00:00:00Z" });
const songs = (name?: string): string[] =>
  Array.from({ length: 25 }, (_, id) => JSON.stringify(songOf(id, name)));

interface Body {
  name: string;
  /** The answer in place of page 2. */
  send(response: ServerResponse, good: string): void;
  /** It is a page all the same. */
  isGood?: boolean;
  /** It has no place to point at. */
  isEmpty?: boolean;
}

const body = (name: string, content: (good: string) => string | Buffer, type = "application/json"): Body => ({
  name,
  send: (response, good) => response.writeHead(200, { "content-type": type }).end(content(good)),
});
const near = `Bearer ${TOKEN}`;

const BODIES: readonly Body[] = [
  body("invalid JSON at a record", (good) => good.replace('"id":13', `"id":13 "${near}"`)),
  body("an HTML page", () => `<!doctype html><html><body>Sign in: ${near}</body></html>`, "text/html"),
  body("an error object", () => JSON.stringify({ error: { message: `invalid token ${near}` } })),
  { ...body("nothing", () => ""), isEmpty: true },
  { name: "204", send: (response) => response.writeHead(204).end(), isEmpty: true },
  body("another charset", (good) => Buffer.from(good.replace("changed", `é ${near}`), "latin1")),
  body("UTF-16", (good) => Buffer.from(`\uFEFF${good}`, "utf16le")),
  body("an object in place of the list", (good) =>
    good.replace(/"items":\[.*\],"total"/s, '"items":{"0":{}},"total"'),
  ),
  body("a cut document", (good) => good.slice(0, good.indexOf('"id":15'))),
  body("null", () => "null"),
  body("two documents", (good) => `${good}\n${good}`),
  { ...body("a byte order mark", (good) => `\uFEFF${good}`), isGood: true },
];

interface Break {
  name: string;
  /** Changes record 13. */
  change(text: string): string;
  /** No mode lands it. */
  isUnreadable?: boolean;
}

const edit = (name: string, change: (song: Record<string, unknown>) => unknown): Break => ({
  name,
  change: (text) => JSON.stringify(change(JSON.parse(text))),
});

const BREAKS: readonly Break[] = [
  edit("a required member missing", ({ name: _, ...rest }) => rest),
  edit("a new member", (song) => ({ ...song, mood: "calm" })),
  edit("a renamed member", ({ name, ...rest }) => ({ ...rest, title: name })),
  edit("a wrong type", (song) => ({ ...song, name: 7 })),
  edit("a value outside its list", (song) => ({ ...song, genre: "polka" })),
  edit("a null key and a null", (song) => ({ ...song, id: null, at: null })),
  { name: "a member twice", change: (text) => text.replace("{", '{"name":"other",'), isUnreadable: true },
  { name: "no object", change: () => "[1]", isUnreadable: true },
];

interface Loaded {
  stream: string;
  status: string;
  received: number;
  new: number;
  unchanged: number;
  changed: number;
  duplicate: number;
  quarantined: number;
  error: { message: string; why: string[]; where: string } | null;
}

const EXCERPT = 80;

/** I-13: bodies that are no page, and records that are not as the contract says. */
export const brokenContracts: Case = {
  id: "I-13",
  run: async ({ projects }: Ground): Promise<Report> => {
    const failures: string[] = [];
    let reconciled = 0;
    const service: { list: string[]; bad: Body | null } = { list: songs(), bad: null };
    const server = await startServer((_, response, url) => {
      const { list, bad } = service;
      if (bad !== null && url.searchParams.get("page") === "2") bad.send(response, pageText(url, list));
      else sendTexts(response, url, list);
    });
    const load = async (name: string, cwd: string) => {
      const env = { API_URL: server.url, API_TOKEN: TOKEN };
      const ended = await runCommand(["ingest", "--json"], { cwd, env });
      if (`${ended.stdout}${ended.stderr}`.includes(TOKEN)) failures.push(`secret: ${name}`);
      const streams: Loaded[] = JSON.parse(ended.stdout).streams;
      return { exitCode: ended.exitCode, streams };
    };
    /** What a reader of the raw tables sees: the texts of each stream. */
    const visible = async (cwd: string, stream: string) => {
      const sql = `select record from raw_feed.${stream}_latest order by record`;
      return (await readRows(join(cwd, "data/warehouse.duckdb"), sql)).map(([text]) => String(text));
    };
    const isReconciled = ({ received, quarantined, ...one }: Loaded) =>
      received === one.new + one.changed + one.unchanged + one.duplicate + quarantined;
    const same = (one: string[], other: string[]) => one.join("\n") === other.toSorted().join("\n");
    try {
      const cwd = projects.make(project());
      await load("good pages", cwd);
      const loaded = projects.make({});
      cpSync(cwd, loaded, { recursive: true });
      for (const bad of BODIES) {
        Object.assign(service, { list: songs("changed"), bad });
        const { exitCode, streams } = await load(bad.name, cwd);
        const expected = bad.isGood ? songs("changed") : songs();
        if (exitCode !== (bad.isGood ? 0 : 1)) failures.push(`exit ${exitCode}: ${bad.name}`);
        if (streams.every(isReconciled)) reconciled++;
        for (const { stream, error } of streams) {
          if (!same(await visible(cwd, stream), expected)) failures.push(`partial: ${bad.name}: ${stream}`);
          if (bad.isGood) continue;
          const text = [error?.where, error?.message, ...(error?.why ?? [])].join("\n");
          const isPositioned = bad.isEmpty === true || /(position|character) \d+/.test(text);
          const isPlaced = text.includes(`feed.${stream}`) && /page 2\b/.test(text) && isPositioned;
          if (!isPlaced) failures.push(`place: ${bad.name}: ${text}`);
          const shown = (error?.why ?? []).flatMap((line) => /".*"/.exec(line)?.[0] ?? []);
          const longest = Math.max(0, ...shown.map((quoted) => String(JSON.parse(quoted)).length));
          if (longest > EXCERPT) failures.push(`excerpt: ${bad.name}: ${longest} characters`);
        }
      }
      service.bad = null;
      for (const one of BREAKS) {
        const cwd = projects.make({});
        cpSync(loaded, cwd, { recursive: true });
        const changed = songs("changed");
        const broken = one.change(changed[13] ?? "");
        service.list = changed.with(13, broken);
        const { exitCode, streams } = await load(one.name, cwd);
        const before = songs();
        const landed = (text = "") => changed.with(13, text);
        // A refused record is still there in its former version.
        const former =
          one.name.startsWith("a null key") || one.name === "no object" ? before[13] : before[13];
        const views = {
          refused: landed(former),
          accepted: landed(one.isUnreadable ? former : broken),
          failed: before,
        };
        if (exitCode !== 1) failures.push(`exit ${exitCode}: ${one.name}`);
        if (streams.every(isReconciled)) reconciled++;
        const refused = { refused: 1, accepted: one.isUnreadable ? 1 : 0, failed: 0 };
        for (const stream of STREAMS) {
          const result = streams.find((other) => other.stream === stream);
          const isFailed = result?.status === "failed";
          if (isFailed !== (stream === "failed") || result?.quarantined !== refused[stream])
            failures.push(`mode: ${one.name}: ${stream} ${JSON.stringify(result)}`);
          if (!same(await visible(cwd, stream), views[stream]))
            failures.push(`partial: ${one.name}: ${stream}`);
          const kept = await readRows(
            join(cwd, "data/warehouse.duckdb"),
            `select record from raw_feed._quarantine where stream = '${stream}'`,
          );
          const isKept = stream !== "accepted" || one.isUnreadable === true;
          if (kept.join() !== (isKept ? broken : "")) failures.push(`lost: ${one.name}: ${stream}`);
        }
      }
    } finally {
      await server.stop();
    }
    const count = (word: string) => failures.filter((failure) => failure.startsWith(word)).length;
    const inputs = BODIES.length + BREAKS.length;
    return {
      figures: [
        { name: "inputs", value: inputs },
        all("reconciled", reconciled, inputs),
        none("partial_pages_visible", count("partial")),
        none("secrets_shown", count("secret")),
        none("unplaced_errors", count("place") + count("excerpt")),
      ],
      failures: failures.slice(0, 30),
    };
  },
};
