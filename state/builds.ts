import { hash, randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { makeFolder, writeDurably } from "../core/durable.ts";

/** What a relation or a verdict came from. */
interface Made {
  /** Hash of the text that was run. */
  text: string;
  /** The same whatever its comments and white space are. */
  query: string;
  config: string;
  /** Of the engine, its settings and this program, each by its name. */
  place: Record<string, string>;
  /** Versions of what it read, by id; null for what has none. */
  inputs: Record<string, string | null>;
  /** Why its text has to be run each time. */
  unstable: string | null;
}

/** How a relation came to be. */
export interface BuildRecord extends Made {
  id: string;
  /** Another one after every change of its rows. */
  version: string;
}

/** How a data test that passed came to its verdict. */
export interface TestRecord extends Made {
  /** How many rows it found; a test may allow some. */
  failures: number | null;
}

/** Another one whenever the same node is made in another way, or the file is written in another way. */
const FORMAT = 2;

interface Content {
  mark: string;
  foreign: string;
  builds: Record<string, BuildRecord>;
  tests: Record<string, TestRecord>;
}

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
  /** Whether the file says the same, of the warehouse that has this mark. */
  isKept(mark: string): boolean;
}

/** Where what is known of a warehouse is kept, by the path of its file. */
export function buildBookFile(folder: string, warehouse: string): string {
  const name = hash("sha256", warehouse, "hex").slice(0, 12);
  return join(folder, `${name}.json`);
}

/** `readBuildBook` for a command that writes: until `closeBuildBook` it counts as one that was cut short. */
export function openBuildBook(file: string, mark: string | null): BuildBook {
  const book = readBuildBook(file, mark);
  makeFolder(dirname(file));
  writeFileSync(openFile(file), "");
  return book;
}

/** What is known of the warehouse that has this mark. A file that cannot be read counts as none. */
export function readBuildBook(file: string, mark: string | null): BuildBook {
  const known = existsSync(file) ? parse(readFileSync(file, "utf8")) : undefined;
  const isCut = existsSync(openFile(file));
  const isKept = () => false;
  const empty = { isCut, builds: new Map(), tests: new Map(), foreign: randomUUID(), isKept };
  if (known === undefined) return { ...empty, state: "new", former: new Set() };
  if (known.mark !== mark) return { ...empty, state: "changed", former: new Set(Object.keys(known.builds)) };
  const book: BuildBook = {
    state: "trusted",
    isCut,
    builds: new Map(Object.entries(known.builds)),
    tests: new Map(Object.entries(known.tests)),
    former: new Set(),
    foreign: known.foreign,
    isKept: (now) =>
      now === known.mark &&
      book.foreign === known.foreign &&
      holdsSame(book.builds, known.builds) &&
      holdsSame(book.tests, known.tests),
  };
  return book;
}

/** Records are replaced, and never changed. */
function holdsSame<T>(now: ReadonlyMap<string, T>, known: Readonly<Record<string, T>>): boolean {
  if (now.size !== Object.keys(known).length) return false;
  for (const [key, record] of now) if (known[key] !== record) return false;
  return true;
}

function openFile(file: string): string {
  return file.replace(/json$/, "open");
}

/** The command came to its end, whatever it knows now. */
export function closeBuildBook(file: string): void {
  rmSync(openFile(file), { force: true });
}

/** The first line has the hash of the rest: what agrees with it was written by `writeBuildBook`, and needs no schema. */
function parse(text: string): Content | undefined {
  const end = text.indexOf("\n");
  const body = text.slice(end + 1);
  return text.slice(0, end) === headOf(body) ? JSON.parse(body) : undefined;
}

function headOf(body: string): string {
  return `builds ${FORMAT} ${hash("sha256", body, "hex")}`;
}

/** Keeps what is known of the warehouse that has this mark, in one step. */
export function writeBuildBook(file: string, mark: string, book: BuildBook): void {
  if (book.isKept(mark)) return;
  const { builds, tests, foreign } = book;
  const entries = { builds: Object.fromEntries(builds), tests: Object.fromEntries(tests) };
  const body = JSON.stringify({ mark, foreign, ...entries } satisfies Content);
  const text = `${headOf(body)}\n${body}`;
  writeDurably(file, text);
}

/** Statements ran of which nobody knows what they wrote to: tables that the project does not make may be others. */
export function noteForeign(book: BuildBook): void {
  book.foreign = randomUUID();
}
