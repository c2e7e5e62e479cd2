import { EXIT, ProjectError } from "../../core/errors.ts";

interface Field {
  name: string;
  line: number;
  column: number;
}

/**
 * Every column of a seed has a name of its own, whatever its case. Throws SEED_HEADER at the first that has
 * not, and when one column holds what other delimiters would part.
 */
export function checkHeader(file: string, text: string, delimiter: string): void {
  const former = new Map<string, Field>();
  const header = headerOf(text, delimiter);
  const other = header.length === 1 ? otherDelimiter(text, delimiter) : undefined;
  if (other !== undefined) throw undivided(file, { delimiter, other });
  for (const [index, field] of header.entries()) {
    if (field.name === "") throw nameless(file, field, index + 1);
    const key = field.name.toLowerCase();
    const other = former.get(key);
    if (other !== undefined) throw doubled(file, field, other);
    former.set(key, field);
  }
}

const DELIMITERS = [",", ";", "\t", "|"];

/** The delimiter by which the header and each of the first lines have the same number of fields, more than one. */
function otherDelimiter(text: string, delimiter: string): string | undefined {
  const lines = text.split(/\r?\n/, SAMPLE_LINES + 1).slice(0, SAMPLE_LINES);
  const counts = (other: string) =>
    new Set(lines.filter((line) => line.trim() !== "").map((line) => headerOf(line, other).length));
  return DELIMITERS.find((other) => {
    if (other === delimiter) return false;
    const found = counts(other);
    return found.size === 1 && !found.has(1);
  });
}

const SAMPLE_LINES = 20;

function undivided(file: string, { delimiter, other }: { delimiter: string; other: string }): ProjectError {
  return new ProjectError("SEED_HEADER", {
    message: `the lines of the seed are parted by ${JSON.stringify(other)}, and its delimiter is ${JSON.stringify(delimiter)}`,
    where: `${file}:1:1`,
    why: ["it would be a table of one column"],
    hint: `give the seed its delimiter under config: delimiter: ${JSON.stringify(other)}`,
    exitCode: EXIT.usage,
  });
}

function nameless(file: string, field: Field, place: number): ProjectError {
  return new ProjectError("SEED_HEADER", {
    message: `column ${place} of the seed has no name`,
    where: placeOf(file, field),
    hint: "write its name in the header, or take the column away",
    exitCode: EXIT.usage,
  });
}

function placeOf(file: string, { line, column }: Field): string {
  return `${file}:${line}:${column}`;
}

function doubled(file: string, field: Field, other: Field): ProjectError {
  const [name, former] = [JSON.stringify(field.name), JSON.stringify(other.name)];
  const same = name === former ? name : `${former} and ${name}, which are one name in SQL`;
  return new ProjectError("SEED_HEADER", {
    message: `two columns of the seed are named ${same}`,
    where: placeOf(file, field),
    why: [`the other one: ${placeOf(file, other)}`],
    hint: "rename one of them",
    exitCode: EXIT.usage,
  });
}

/** The fields of the first record; a quoted one may hold delimiters and line ends. */
function headerOf(text: string, delimiter: string): Field[] {
  const fields: Field[] = [];
  let [start, line, lineStart] = [0, 1, 0];
  let isQuoted = false;
  const add = (end: number, startLine: number, column: number) => {
    const raw = text.slice(start, end).trim();
    const name = raw.startsWith('"') ? raw.slice(1, -1).replaceAll('""', '"').trim() : raw;
    fields.push({ name, line: startLine, column });
  };
  let [fieldLine, fieldColumn] = [1, 1];
  for (let at = 0; at <= text.length; at++) {
    const isEnd = at === text.length || (!isQuoted && (text[at] === "\n" || text[at] === "\r"));
    if (isEnd || (!isQuoted && text.startsWith(delimiter, at))) {
      add(at, fieldLine, fieldColumn);
      if (isEnd) return fields;
      at += delimiter.length - 1;
      start = at + 1;
      [fieldLine, fieldColumn] = [line, start - lineStart + 1];
    } else if (text[at] === '"') isQuoted = !isQuoted;
    else if (text[at] === "\n") [line, lineStart] = [line + 1, at + 1];
  }
  return fields;
}
