import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Random } from "../../moovitamix/world/random.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { type Ended, inPairs, runCommand } from "./command.ts";
import { PROJECT, writeFiles } from "./folders.ts";
import { readRows } from "./read.ts";

const NUMBERS = { quick: 8, full: 300 } as const;

/** What would be there, or gone, if a value were more than data. */
const CANARY = "select count(*) from information_schema.tables where table_name in ('kept', 'm')";
const SECRET = "the-secret-of-another-file";

const PARTS = [
  ...["'", "''", '"', "\\", ";", "--", "/*", "*/", "\n", "\r\n", "\t", "$$", "`", "%", "\u2028", "é😀"],
  ...[
    "{{ ref('kept') }}",
    "{{",
    "}}",
    "{% raw %}",
    "{#",
    "{{{x}}}",
    "$(touch pwned)",
    "`touch pwned`",
    "../",
  ],
  ...["'; drop table main.kept; --", "' or '1'='1", "x'); attach 'pwned.db'; --", "\u0001", "__proto__"],
];
/** Linux takes 128 KiB in one argument or variable; a file takes what it likes. */
const LENGTHS = { argument: 100_000, file: 1_000_000 };

/** `file` is vars: of project.yml. */
type Channel = "vars" | "file" | "env" | "select" | "target";

interface Payload {
  channel: Channel;
  text: string;
}

/** M-06: variables, selection and paths as attack. */
export const attacks: Case = {
  id: "M-06",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const failures: string[] = [];
    const payloads = payloadsOf(NUMBERS[size], random);
    const folders = await Promise.all([makeVictim(projects), makeVictim(projects)]);
    await inPairs(payloads, async (payload) => {
      const cwd = folders.pop() ?? "";
      failures.push(...(await tryPayload(cwd, payload)));
      folders.push(cwd);
    });
    const escapes = size === "full" ? ESCAPES : ESCAPES.filter((_, index) => index % 5 === 0);
    await inPairs(escapes, async (attempt) => {
      failures.push(...(await tryEscape(await makeVictim(projects), attempt)));
    });
    return {
      figures: [
        { name: "payloads", value: payloads.length },
        { name: "escapes", value: escapes.length },
        none("executed_or_read_outside", failures.filter((text) => !text.startsWith("refused")).length),
        none("legitimate_values_refused", failures.filter((text) => text.startsWith("refused")).length),
      ],
      failures,
    };
  },
};

function payloadsOf(count: number, random: Random): Payload[] {
  const channels: Channel[] = ["vars", "env", "select", "target"];
  return Array.from({ length: count }, (_, index) => {
    const named = channels[index % channels.length] ?? "vars";
    const isLong = index % 25 === 24;
    const channel = named === "vars" && (isLong || index % 12 === 8) ? "file" : named;
    // No program can be given a NUL: in YAML it can be written.
    const known = ["vars", "file"].includes(channel) ? [...PARTS, "\0", "a\0b"] : PARTS;
    const text = Array.from({ length: random.integer(1, 5) }, () => random.pick(known)).join("");
    const length = channel === "file" ? LENGTHS.file : LENGTHS.argument;
    return { channel, text: isLong ? text.padEnd(length, "' ") : text };
  });
}

const QUOTED = `import { defineMacro } from "sillon";
import { z } from "zod";
export const quoted = defineMacro({
  arguments: { value: z.string() },
  sql: ({ value }, { literal }) => literal(value),
});
`;

function projectWith(v: string): string {
  return `name: shop\nschema_names: exact\nvars: {v: ${JSON.stringify(v)}}\n`;
}

async function makeVictim(projects: Ground["projects"]): Promise<string> {
  const outside = projects.make({ "sillon-outside.txt": SECRET });
  const cwd = join(outside, "project");
  writeFiles(cwd, {
    ...PROJECT,
    "project.yml": projectWith(""),
    "models/kept.sql": "{{ config(materialized='table') }}select 1 as a",
    // Templates do not know whether a value stands in quotes: whoever writes one into SQL quotes it.
    "models/m.sql": `{{ config(materialized='table') }}select {{ quoted(var('v')) }} as v, {{ quoted(env_var('V', '')) }} as e`,
    "macros/quoted.ts": QUOTED,
  });
  const { exitCode, stderr } = await runCommand(["models", "--quiet"], { cwd });
  if (exitCode !== 0) throw new Error(stderr);
  return cwd;
}

async function tryPayload(cwd: string, { channel, text }: Payload): Promise<string[]> {
  const args = {
    vars: ["models", "--vars", JSON.stringify({ v: text })],
    file: ["models"],
    env: ["models"],
    select: ["models", `--select=${text}`],
    target: ["models", `--target=${text}`],
  }[channel];
  writeFiles(cwd, { "project.yml": projectWith(channel === "file" ? text : "") });
  const ended = await runCommand([...args, "--quiet", "--json"], {
    cwd,
    env: channel === "env" ? { V: text } : {},
  });
  const shown = `${channel} ${JSON.stringify(text.slice(0, 80))}`;
  const isData = ["vars", "file", "env"].includes(channel);
  const found: string[] = [];
  if (isData && ended.exitCode !== 0) found.push(`refused: ${shown}: ${ended.stdout.slice(0, 300)}`);
  if (isData && ended.exitCode === 0) {
    const [row] = await readRows(join(cwd, "data/warehouse.duckdb"), "select v, e from main.m");
    const value = channel === "env" ? row?.[1] : row?.[0];
    if (value !== text) found.push(`${shown} became ${JSON.stringify(value).slice(0, 80)}`);
  }
  if (!isData && ended.exitCode !== 2 && !isPlainSelection(channel, text))
    found.push(`${shown}: exit ${ended.exitCode} ${ended.stderr.slice(0, 200)}`);
  return [...found, ...(await harmDone(cwd, shown, ended))];
}

/** A glob or the name of a folder may be a selection that matches; nothing of PARTS is one. */
function isPlainSelection(channel: Channel, text: string): boolean {
  return channel === "select" && text.trim() === "";
}

async function harmDone(cwd: string, shown: string, { stdout, stderr }: Ended): Promise<string[]> {
  const [row] = await readRows(join(cwd, "data/warehouse.duckdb"), CANARY);
  return [
    ...(Number(row?.[0]) === 2 ? [] : [`${shown}: a table is gone`]),
    ...(readdirSync(cwd).some((name) => name.startsWith("pwned")) ? [`${shown}: a file was made`] : []),
    ...((stdout + stderr).includes(SECRET) ? [`${shown}: another file was read`] : []),
    ...(/mistake in sillon|\n {4}at /.test(stderr) ? [`${shown}: a stack: ${stderr.slice(0, 300)}`] : []),
  ];
}

interface Escape {
  what: string;
  /** A model, or a statement of a hook. */
  sql?: string;
  hook?: string;
  files?: Record<string, string>;
  link?: [from: string, to: string];
  args?: string[];
}

const OUT = "OUTSIDE/sillon-written";
const ESCAPES: readonly Escape[] = [
  { what: "read_text above the project", sql: "select content from read_text('../sillon-outside.txt')" },
  { what: "read_text absolute", sql: "select content from read_text('OUTSIDE/sillon-outside.txt')" },
  { what: "a file by its name alone", sql: "select * from 'OUTSIDE/sillon-outside.txt'" },
  { what: "read_blob of the profile", sql: "select content from read_blob('profiles.yml')" },
  { what: "read_text of the project file", sql: "select content from read_text('PROJECT/project.yml')" },
  { what: "read_csv of the state", sql: "select * from read_csv('PROJECT/data/state.db')" },
  { what: "a list of files", sql: "select file from glob('OUTSIDE/*')" },
  { what: "the network", sql: "select * from read_csv('http://127.0.0.1:9/x.csv')" },
  { what: "copy to a file", hook: `copy (select 1) to '${OUT}.csv'` },
  { what: "copy into the project", hook: "copy (select 1) to 'PROJECT/pwned.csv'" },
  { what: "export of the database", hook: `export database '${OUT}'` },
  { what: "another database", hook: `attach '${OUT}.duckdb' as other` },
  { what: "another database in the project", hook: "attach 'PROJECT/pwned.duckdb' as other" },
  { what: "an extension", hook: "install httpfs" },
  { what: "a loaded extension", hook: "load httpfs" },
  { what: "the settings", hook: "set enable_external_access = true" },
  { what: "a model path above the project", files: { "project.yml": "name: shop\nmodel-paths: [../]\n" } },
  { what: "an absolute model path", files: { "project.yml": "name: shop\nmodel-paths: [/etc]\n" } },
  { what: "a link to a file outside", link: ["models/linked.sql", "OUTSIDE/sillon-outside.txt"] },
  { what: "a seed that is a link", link: ["seeds/linked.csv", "OUTSIDE/sillon-outside.txt"], args: ["seed"] },
];

async function tryEscape(
  cwd: string,
  { what, sql, hook, files = {}, link, args = ["models"] }: Escape,
): Promise<string[]> {
  const outside = dirname(cwd);
  const placed = (text: string) => text.replaceAll("OUTSIDE", outside).replaceAll("PROJECT", cwd);
  if (sql !== undefined) writeFileSync(join(cwd, "models/evil.sql"), placed(sql));
  if (hook !== undefined)
    writeFileSync(join(cwd, "models/evil.sql"), `{{ config(post_hook="${placed(hook)}") }}select 1 as a`);
  for (const [file, text] of Object.entries(files)) writeFileSync(join(cwd, file), text);
  if (link !== undefined) {
    mkdirSync(dirname(join(cwd, link[0])), { recursive: true });
    symlinkSync(placed(link[1]), join(cwd, link[0]));
  }
  const ended = await runCommand([...args, "--quiet"], { cwd });
  const written = readdirSync(outside).filter((name) => name.startsWith("sillon-written"));
  return [
    ...(ended.exitCode === 0 ? [`${what}: exit 0 ${ended.stdout}`] : []),
    ...(written.length > 0 || existsSync(join(cwd, "pwned.csv")) ? [`${what}: a file was written`] : []),
    ...(await harmDone(cwd, what, ended)),
  ];
}
