import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";

const inputs = z.record(z.string(), z.string().nullable());

const fingerprint = {
  /** Hash of the text that was run. */
  text: z.string(),
  /** The same whatever its comments and white space are. */
  query: z.string(),
  config: z.string(),
  /** Of the engine, its settings and this program, each by its name. */
  place: z.record(z.string(), z.string()),
  /** Versions of what it read, by id; null for what has none. */
  inputs,
  /** Why its text has to be run each time. */
  unstable: z.string().nullable(),
};

const buildRecord = z.object({
  ...fingerprint,
  id: z.string(),
  /** Another one after every change of its rows. */
  version: z.string(),
});
/** How a relation came to be. */
export type BuildRecord = z.infer<typeof buildRecord>;

const testRecord = z.object({
  ...fingerprint,
  /** How many rows it found; a test may allow some. */
  failures: z.number().nullable(),
});
/** How a data test that passed came to its verdict. */
export type TestRecord = z.infer<typeof testRecord>;

/** Another one whenever the same node is made in another way. */
const FORMAT = 1;

const content = z.object({
  format: z.literal(FORMAT),
  mark: z.string(),
  foreign: z.string(),
  builds: z.record(z.string(), buildRecord),
  tests: z.record(z.string(), testRecord),
});

/** What this project knows of a warehouse's tables. It holds only as long as nobody else writes to the warehouse. */
export interface BuildBook {
  /** new: nothing was known; changed: somebody else wrote, and nothing that was known holds. */
  state: "new" | "changed" | "trusted";
  /** Whether the command before this one did not come to its end. */
  isCut: boolean;
  /** By `schema.name`. */
  builds: Map<string, BuildRecord>;
  /** By id, with the target's schema before it. */
  tests: Map<string, TestRecord>;
  /** Keys of relations that were known and may not be as they were. */
  former: ReadonlySet<string>;
  /** Another one after statements whose effects are not known, such as hooks. */
  foreign: string;
}

/** Where what is known of a warehouse is kept, by the path of its file. */
export function buildBookFile(folder: string, warehouse: string): string {
  const name = createHash("sha256").update(warehouse).digest("hex").slice(0, 12);
  return join(folder, `${name}.json`);
}

/**
 * What is known of the warehouse that has this mark. A file that cannot be read counts as none. Until
 * `closeBuildBook` the command counts as one that was cut short.
 */
export function openBuildBook(file: string, mark: string | null): BuildBook {
  const known = existsSync(file) ? parse(readFileSync(file, "utf8")) : undefined;
  const isCut = existsSync(openFile(file));
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(openFile(file), "");
  const empty = { isCut, builds: new Map(), tests: new Map(), foreign: randomUUID() };
  if (known === undefined) return { ...empty, state: "new", former: new Set() };
  if (known.mark !== mark) return { ...empty, state: "changed", former: new Set(Object.keys(known.builds)) };
  return {
    state: "trusted",
    isCut,
    builds: new Map(Object.entries(known.builds)),
    tests: new Map(Object.entries(known.tests)),
    former: new Set(),
    foreign: known.foreign,
  };
}

function openFile(file: string): string {
  return file.replace(/json$/, "open");
}

/** The command came to its end, whatever it knows now. */
export function closeBuildBook(file: string): void {
  rmSync(openFile(file), { force: true });
}

function parse(text: string): z.infer<typeof content> | undefined {
  try {
    return content.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // Not JSON: a file that somebody cut short.
  }
}

/** Keeps what is known of the warehouse that has this mark, in one step. */
export function writeBuildBook(file: string, mark: string, { builds, tests, foreign }: BuildBook): void {
  const entries = { builds: Object.fromEntries(builds), tests: Object.fromEntries(tests) };
  const text = JSON.stringify({ format: FORMAT, mark, foreign, ...entries });
  if (existsSync(file) && readFileSync(file, "utf8") === text) return;
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}

/** Statements ran of which nobody knows what they wrote to: tables that the project does not make may be others. */
export function noteForeign(book: BuildBook): void {
  book.foreign = randomUUID();
}
