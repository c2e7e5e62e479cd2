import { join } from "node:path";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand } from "./command.ts";
import type { Files } from "./folders.ts";
import { readRows } from "./read.ts";
import { sendTexts, startServer } from "./sources.ts";

/** Texts of JSON values that readers of JSON are known to change. */
const VALUES = [
  "9007199254740993",
  "-9223372036854775808",
  "18446744073709551617",
  "123456789012345678901234567890",
  "123456789012345678901.234567891",
  "0.100000000000000005551115123125",
  "1e400",
  "-0.0",
  "1.10",
  "1e5",
  '"a\\u0000b"',
  '"😀"',
  '"\\ud83d\\ude00"',
  '"مرحبا بالعالم"',
  '"\\"]},{[\\\\\\/"',
  '""',
] as const;
const TEN_MB = `"${"é".repeat(5_000_000)}"`;

/** Where an engine's own reader has stopped to look. */
const INTEGERS = 20_480;
const CHANGES = ["1.5", "true", '"7"', '{"a":1}', "null", "[1]", '""', "9007199254740993"] as const;

const integers = Array.from({ length: INTEGERS }, (_, id) => `{"id":${id},"n":${id}}`);
const changed = CHANGES.map((text, index) => `{"id":${INTEGERS + index},"n":${text}}`);

const FILES: Files = {
  "project.yml": "name: shop\nschema_names: exact\n",
  "ingest/sources/feed.ts": `import { defineSource } from "sillon";
import { z } from "zod";
const exact = { key: ["id"], record: z.looseObject({}), contract: {} };
const typed = { key: ["id"], record: z.looseObject({ n: z.int() }) };
export const source = defineSource({
  name: "feed", baseUrl: { env: "API_URL" }, pageSize: 1000,
  streams: [
    { name: "texts", path: "/texts", ...exact },
    { name: "refused", path: "/types", ...typed },
    { name: "accepted", path: "/types", ...typed, contract: { onInvalid: "accept" } },
    { name: "failed", path: "/types", ...typed, contract: { onInvalid: "fail" } },
  ],
});
`,
  "models/feed.yml": `sources:
  - name: feed
    schema: raw_feed
    tables: [{ name: texts, identifier: texts_latest }, { name: refused, identifier: refused_latest }]
`,
  "models/stg_texts.sql": `-- One row per record.
select
    cast(_key as integer) as id,
    {{ json_text('record', 'v') }} as value,
    {{ json_number('record', 'v') }} as number
from {{ source('feed', 'texts') }}
`,
  "models/stg_numbers.sql": `-- One row per record.
select cast(_key as integer) as id, cast({{ json_number('record', 'n') }} as bigint) as n
from {{ source('feed', 'refused') }}
`,
};

interface Loaded {
  stream: string;
  status: string;
  received: number;
  new: number;
  unchanged: number;
  changed: number;
  duplicate: number;
  quarantined: number;
  drift: { change: string; member: string; types: string[] }[];
}

/** I-12: values come through unchanged, in raw tables and in typed columns. */
export const exactValues: Case = {
  id: "I-12",
  run: async ({ projects, size }: Ground): Promise<Report> => {
    const failures: string[] = [];
    const count = size === "full" ? 10_000 : 1000;
    const forms = Array.from({ length: count }, (_, id) =>
      id === 77 ? TEN_MB : (VALUES[id % VALUES.length] ?? "null"),
    );
    const texts = forms.map((form, id) => `{ "id":${id} ,"v" : ${form}}`);
    let types = integers;
    const server = await startServer((_, response, url) =>
      sendTexts(response, url, url.pathname === "/texts" ? texts : types),
    );
    const cwd = projects.make(FILES);
    const ingest = async (expectedExit: number): Promise<Loaded[]> => {
      const ended = await runCommand(["ingest", "--json"], { cwd, env: { API_URL: server.url } });
      if (ended.exitCode !== expectedExit)
        failures.push(`exit ${ended.exitCode}: ${ended.stderr.slice(0, 500)}`);
      return JSON.parse(ended.stdout).streams;
    };
    let [loads, drift]: [Loaded[], number] = [[], 0];
    try {
      loads = await ingest(0);
      types = [...integers, ...changed];
      const second = await ingest(1);
      const told = ["decimal", "string", "boolean", "object", "array", "null"];
      drift = second
        .filter(({ stream }) => stream === "refused" || stream === "accepted")
        .filter((one) =>
          one.drift.some(({ member, types: came }) => member === "n" && came.join() === told.join()),
        ).length;
      loads.push(...second);
      const built = await runCommand(["models"], { cwd });
      if (built.exitCode !== 0)
        failures.push(`models: exit ${built.exitCode}: ${built.stdout}${built.stderr}`);
    } finally {
      await server.stop();
    }
    for (const { stream, status, ...counts } of loads.slice(0, -1)) {
      const landed = counts.new + counts.changed + counts.unchanged + counts.duplicate;
      if (status !== "ok" || counts.received !== landed + counts.quarantined)
        failures.push(`unreconciled: ${stream} ${status} ${JSON.stringify(counts)}`);
    }
    const file = join(cwd, "data/warehouse.duckdb");
    const compare = async (what: string, sql: string, expected: readonly unknown[]) => {
      const rows = (await readRows(file, sql)).map(([value]) => value);
      if (rows.length !== expected.length)
        failures.push(`altered: ${what}: ${rows.length} of ${expected.length}`);
      for (const [place, value] of expected.entries())
        if (rows[place] !== value)
          failures.push(
            `altered: ${what} ${place}: ${String(rows[place]).slice(0, 80)} of ${String(value).slice(0, 80)}`,
          );
    };
    const raw = (table: string) => `select record from raw_feed.${table} order by cast(_key as integer)`;
    await compare("texts", raw("texts_latest"), texts);
    await compare("refused", raw("refused_latest"), integers);
    await compare("accepted", raw("accepted_latest"), types);
    await compare("failed", raw("failed_latest"), integers);
    const kept =
      "select record from raw_feed._quarantine where stream = 'refused' order by page, \"position\"";
    await compare("quarantine", kept, changed);
    const isText = (form: string) => form.startsWith('"');

    await compare(
      "typed texts",
      "select value from stg_texts where number is null order by id",
      forms.filter(isText).map((form) => JSON.parse(form)),
    );
    await compare(
      "typed numbers",
      "select number from stg_texts where number is not null order by id",
      forms.filter((form) => !isText(form)),
    );
    await compare(
      "typed integers",
      "select cast(n as varchar) from stg_numbers order by id",
      integers.map((_, id) => String(id)),
    );
    const found = (word: string) => failures.filter((failure) => failure.startsWith(word)).length;
    return {
      figures: [
        { name: "records", value: count },
        { name: "type_changes", value: CHANGES.length },
        none("altered", found("altered")),
        none("unreconciled", found("unreconciled")),
        all("drift_told", drift, 2),
      ],
      failures: failures.slice(0, 20),
    };
  },
};
