import { readdirSync, readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import type { Random } from "../../moovitamix/world/random.ts";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { type CommandOptions, type Ended, startCommand } from "./command.ts";
import type { Files } from "./folders.ts";
import { readRows } from "./read.ts";
import { sendRecords, sourceFile, startServer } from "./sources.ts";

/** Where a marker is put. */
const PLACES = [
  "url_user",
  "url_password",
  "url_parameter",
  "bearer",
  "key_in_header",
  "key_in_query",
  "basic_user",
  "basic_password",
  "client_secret",
  "access_token",
  "custom_header",
  "standard_input",
  "dbt_variable",
] as const;
type Place = (typeof PLACES)[number];
type Markers = Record<Place, string>;

const env = (place: Place) => `{ env: "${place.toUpperCase()}" }`;

/** A source for each kind of authentication; the addresses of all hold a user, a password and a parameter. */
const SOURCES: readonly [name: string, authentication: string][] = [
  ["a_url", ""],
  ["b_bearer", `{ type: "bearer", token: ${env("bearer")} }`],
  ["c_header", '{ type: "api_key", name: "X-Key", value: { file: "key.txt" } }'],
  ["d_query", `{ type: "api_key", name: "key", in: "query", value: ${env("key_in_query")} }`],
  ["e_basic", `{ type: "basic", user: ${env("basic_user")}, password: ${env("basic_password")} }`],
  [
    "f_oauth",
    `{ type: "oauth2_client_credentials", tokenUrl: "/token", clientId: "me", clientSecret: ${env("client_secret")} }`,
  ],
  [
    "g_custom",
    `{ type: "custom", headers: ({ secret }) => ({ "x-sign": "Sign " + secret(${env("custom_header")}) }) }`,
  ],
  ["h_stdin", '{ type: "bearer", token: { stdin: true } }'],
];

/** What the service answers: a list, a refusal that repeats the request, or a broken text that does. */
type Mood = "well" | "echo_401" | "echo_500" | "echo_broken" | "cut";
const MOODS: readonly Mood[] = ["well", "echo_401", "echo_500", "echo_broken", "cut"];

const INGESTS = [["ingest"], ["ingest", "--debug"], ["ingest", "--json"], ["pipeline", "--json", "--debug"]];
const OTHERS = [
  ["build", "--debug"],
  ["test", "--json"],
  ["models"],
  ["retry"],
  ["ls", "--json"],
  ["compile"],
  ["docs", "generate"],
  ["doctor", "--json"],
  ["freshness"],
  ["history", "--json"],
  ["show", "--inline", "select * from raw_a_url._loads"],
];

/** All but the variable with dbt's prefix are sent to the service. */
const SENT = PLACES.length - 1;

/** secrets stay secret, as far as sources go. */
export const secretsStaySecret: Case = {
  id: "X-02",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const markers = markersOf(random);
    const cwd = projects.make(projectFiles(markers));
    const hits: string[] = [];
    const search = (where: string, text: string) => hits.push(...hitsIn(where, text, markers));
    let mood: Mood = "well";
    const echoed = new Set<string>();
    const echo = (parts: readonly string[]) => {
      const said = parts[random.integer(0, parts.length - 1)] ?? "";
      for (const place of PLACES)
        if (writings(markers[place]).some((text) => said.includes(text))) echoed.add(place);
      return said;
    };
    const service = await startServer((request, response, url) =>
      answer(request, response, { url, mood, markers, echo }),
    );
    let commands = 0;
    try {
      const run = async (args: readonly string[]) => {
        commands++;
        const { ended, cmdline } = await runWatched(args, { cwd, ...inputOf(service.url, markers) });
        const name = `${args.join(" ")} (${mood})`;
        search(`stdout of ${name}`, ended.stdout);
        search(`stderr of ${name}`, ended.stderr);
        search(`cmdline of ${name}`, cmdline);
      };
      const ingests = size === "full" ? INGESTS : INGESTS.slice(1, 3);
      for (mood of MOODS) for (const args of ingests) await run(args);
      for (const args of size === "full" ? OTHERS : OTHERS.slice(-2)) await run(args);
      const files = filesOf(cwd, ["data", "target"]);
      for (const file of files) search(file, readFileSync(join(cwd, file), "latin1"));
      const loads = await Promise.all(
        SOURCES.map(([name]) =>
          readRows(join(cwd, "data/warehouse.duckdb"), `select error from raw_${name}._loads`),
        ),
      );
      search("_loads", loads.flat(2).join("\n"));
      return {
        figures: [
          { name: "markers", value: PLACES.length },
          { name: "commands", value: commands },
          { name: "files_searched", value: files.length },
          { name: "failed_loads_searched", value: loads.flat().length },
          all("markers_repeated_by_the_service", echoed.size, size === "full" ? SENT : echoed.size),
          none("hits", hits.length),
        ],
        failures: hits,
        notRun: ["passwords of mail and chat, which nothing here sends"],
      };
    } finally {
      await service.stop();
    }
  },
};

/** Every marker is its own, and has characters that each encoding writes in its own way. */
function markersOf(random: Random): Markers {
  const made = PLACES.map((place) => {
    const tail = Array.from({ length: 8 }, () => random.integer(0, 9)).join("");
    // A token of a header cannot hold everything.
    const special = ["url_password", "key_in_query", "basic_password", "client_secret"].includes(place);
    return [place, `mk_${place}${special ? '"/+ é' : ""}${tail}`] as const;
  });
  return Object.fromEntries(made) as Markers;
}

function projectFiles(markers: Markers): Files {
  const sources = SOURCES.map(([name, authentication]) => sourceFile(name, ["items"], { authentication }));
  return {
    ...Object.assign({}, ...sources),
    "key.txt": `${markers.key_in_header}\n`,
    "project.yml":
      "name: shop\nschema_names: exact\ningest: {max_attempts: 2, backoff_seconds: 0.01, idle_timeout_seconds: 5}\n",
    "models/m.sql": "-- One row per thing.\nselect 1 as id\n",
    "models/m.yml": "models:\n  - name: m\n    columns: [{name: id, data_tests: [unique]}]\n",
  };
}

function inputOf(url: string, markers: Markers): Pick<CommandOptions, "env"> & { input: string } {
  const address = new URL(url);
  address.username = markers.url_user;
  address.password = markers.url_password;
  address.searchParams.set("token", markers.url_parameter);
  const variables: readonly Place[] = [
    "bearer",
    "key_in_query",
    "basic_user",
    "basic_password",
    "client_secret",
    "custom_header",
  ];
  return {
    input: `${markers.standard_input}\n`,
    env: {
      API_URL: address.href,
      DBT_ENV_SECRET_X: markers.dbt_variable,
      ...Object.fromEntries(variables.map((place) => [place.toUpperCase(), markers[place]])),
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  {
    url,
    mood,
    markers,
    echo,
  }: { url: URL; mood: Mood; markers: Markers; echo: (parts: readonly string[]) => string },
): Promise<void> {
  let body = "";
  for await (const chunk of request) body += chunk;
  if (url.pathname === "/token" && mood !== "echo_401") {
    response.end(JSON.stringify({ access_token: markers.access_token }));
    return;
  }
  const { authorization = "", "x-key": key = "", "x-sign": sign = "" } = request.headers;
  const pair = Buffer.from(authorization.replace("Basic ", ""), "base64").toString();
  const given = [key, sign, body, authorization, authorization.startsWith("Basic ") ? pair : ""].map(String);
  const repeated = url.pathname === "/token" ? [pair] : [...given, url.search, ...url.searchParams.values()];
  const said = echo(repeated.filter((text) => text.length > 5));
  if (mood === "well") sendRecords(response, url, 3);
  else if (mood === "cut")
    response.writeHead(200, { "content-length": "1000" }).write(said, () => response.destroy());
  else if (mood === "echo_broken") response.end(said);
  else response.writeHead(mood === "echo_401" ? 401 : 500).end(JSON.stringify(said));
}

async function runWatched(
  args: readonly string[],
  { input, ...options }: CommandOptions & { input: string },
): Promise<{ ended: Ended; cmdline: string }> {
  const started = startCommand(args, { ...options, input });
  const cmdline = started.cmdline();
  return { ended: await started.ended, cmdline };
}

function hitsIn(where: string, text: string, markers: Markers): string[] {
  return Object.entries(markers)
    .filter(([place, marker]) =>
      [`mk_${place}`, ...writings(marker)].some((writing) => text.includes(writing)),
    )
    .map(([place]) => `${place} in ${where}`);
}

/** The usual writings of a marker, and its last digits: its beginning may be shown no more than its end. */
function writings(marker: string): string[] {
  const bytes = Buffer.from(marker);
  const inner = [1, 2].map((before) =>
    Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .slice(4, -6),
  );
  return [marker, marker.slice(-8), bytes.toString("base64").slice(0, -4), ...inner, bytes.toString("hex")];
}

function filesOf(cwd: string, folders: readonly string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(cwd, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(cwd.length + 1)),
  );
}
