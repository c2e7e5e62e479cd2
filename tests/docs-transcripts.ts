/** A command of a ```console block and what the document says that it prints. */
export interface Example {
  command: string;
  expected: string[];
  /** In the document, from 1. */
  line: number;
}

interface Fence {
  language: string;
  /** The file that the line before the fence names: `path`: */
  file: string | undefined;
  lines: string[];
  /** Of its first inner line. */
  line: number;
}

export function fencesOf(markdown: string): Fence[] {
  const fences: Fence[] = [];
  const lines = markdown.split("\n");
  let open: Fence | undefined;
  for (const [index, text] of lines.entries()) {
    const language = /^```(\w*)$/.exec(text)?.[1];
    if (language === undefined) open?.lines.push(text);
    else if (open !== undefined) open = undefined;
    else {
      const before = lines.slice(0, index).findLast((line) => line !== "") ?? "";
      open = { language, file: /`([\w./-]+)`:$/.exec(before)?.[1], lines: [], line: index + 2 };
      fences.push(open);
    }
  }
  return fences;
}

/** Lines that begin with `$ ` are commands, the lines below each what it prints. */
export function examplesOf(markdown: string): Example[] {
  const examples: Example[] = [];
  for (const fence of fencesOf(markdown).filter(({ language }) => language === "console")) {
    for (const [index, text] of fence.lines.entries()) {
      if (text.startsWith("$ "))
        examples.push({ command: text.slice(2), expected: [], line: fence.line + index });
      else examples.at(-1)?.expected.push(text);
    }
  }
  return examples;
}

/** The words of a command; quotes hold words together, as in a shell. */
export function wordsOf(command: string): string[] {
  return [...command.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map((found) => found.slice(1).join(""));
}

const VARYING: [RegExp, string][] = [
  [/\b\d{8}T\d{9}Z\b/g, "RELEASE"],
  [/\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?/g, "TIME"],
  [/\b[\d,]+\.\d\d s\b/g, "N s"],
  [/\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b/g, "ID"],
  [/\b127\.0\.0\.1:\d+/g, "HOST"],
  [/ +/g, " "],
];

/** A text without what differs from run to run, and without the column widths that follow from it. */
function steady(lines: readonly string[]): string[] {
  const text = lines.map((line) => line.trimEnd()).join("\n");
  const masked = VARYING.reduce((result, [pattern, word]) => result.replace(pattern, word), text);
  return masked.trim() === "" ? [] : masked.replace(/^\n+|\n+$/g, "").split("\n");
}

const GAP = "…";

/** Both as they are to be compared: equal when `output` says what `expected` shows of it. A line `…` is any number of lines. */
export function compared(output: string, expected: readonly string[]): { said: string[]; shown: string[] } {
  const said = steady(output.split("\n"));
  const shown = steady(expected);
  return { said: matches(said, shown) ? shown : said, shown };
}

function matches(said: readonly string[], shown: readonly string[]): boolean {
  const gap = shown.indexOf(GAP);
  if (gap < 0) return said.length === shown.length && shown.every((line, index) => line === said[index]);
  if (!shown.slice(0, gap).every((line, index) => line === said[index])) return false;
  const rest = shown.slice(gap + 1);
  return said.slice(gap).some((_, start) => matches(said.slice(gap + start), rest)) || rest.length === 0;
}

/** The rows of the table whose heading row is `head`: the cells, their pipes unescaped. */
export function tableOf(markdown: string, head: string): string[][] {
  const lines = markdown.split("\n");
  const start = lines.indexOf(head);
  if (start < 0) throw new Error(`no table "${head}"`);
  const end = lines.findIndex((line, index) => index > start && !line.startsWith("|"));
  return lines.slice(start + 2, end < 0 ? undefined : end).map((row) =>
    row
      .replace(/^\| | \|$/g, "")
      .split(/ (?<!\\)\| /)
      .map((cell) => cell.replaceAll("\\|", "|").trim()),
  );
}

/** What a cell holds in backticks. */
export function codeOf(cell: string | undefined): string {
  return /^`(.*)`$/.exec(cell ?? "")?.[1] ?? "";
}
