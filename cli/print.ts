import pc from "picocolors";
import stringWidth from "string-width";
import type { Environment } from "../core/context.ts";
import type { LogEntry, LogSink } from "../core/log.ts";
import type { Output } from "./invocation.ts";
import { type LogFormat, logLine } from "./log-json.ts";

export type Colors = ReturnType<typeof pc.createColors>;

/** Whether an output takes colours: NO_COLOR and FORCE_COLOR decide, then whether it is a terminal. */
export function colorsFor(output: Output, env: Environment): Colors {
  if (env.NO_COLOR) return pc.createColors(false);
  if (env.FORCE_COLOR) return pc.createColors(env.FORCE_COLOR !== "0");
  return pc.createColors(output.isTty && env.TERM !== "dumb");
}

/** An error's text with its first line and its way out marked. */
export function paintError(text: string, colors: Colors): string {
  const [first = "", ...rest] = text.split("\n");
  return [
    colors.red(first),
    ...rest.map((line) => line.replace(/^ {2}to fix:/, (label) => colors.green(label))),
  ].join("\n");
}

export interface StoryOptions {
  colors: Colors;
  isQuiet: boolean;
  isDebug: boolean;
  format: LogFormat;
  /** Whether the terminal cannot move its cursor. */
  isDumb?: boolean;
  /** Whether errors wait until they are released. */
  holdsErrors?: boolean;
}

/** The story of a run on stderr: one line an event, and on a terminal a few live lines below them. */
export function createStory(output: Output, options: StoryOptions): Story {
  const { colors } = options;
  const isJson = options.format === "json";
  const held: LogEntry[] = [];
  const canLive = output.isTty && !options.isDumb && !options.isQuiet && !isJson;
  let live: readonly string[] = [];
  let isHeld = false;
  /** Back to where the live lines begin, and all from there on removed. */
  const erasure = () => {
    if (live.length === 0) return "";
    return `\r${live.length > 1 ? `\u001b[${live.length - 1}A` : ""}\u001b[J`;
  };
  const clear = () => {
    if (live.length > 0) output.write(erasure());
    live = [];
    isHeld = false;
  };
  const show = (lines: readonly string[]) => {
    const text = erasure() + lines.join("\n");
    live = lines;
    if (text !== "") output.write(text);
  };
  const write = (entry: LogEntry) => {
    const line = `${isJson ? logLine(entry, new Date()) : decorate(entry, colors)}\n`;
    output.write(`${erasure()}${line}${isHeld ? live.join("\n") : ""}`);
    if (!isHeld) live = [];
  };
  const sink: LogSink = (entry) => {
    if (entry.level === "debug" && !options.isDebug) {
      if (canLive && !isHeld) show([colors.dim(entry.message.slice(0, size().columns - 1))]);
      return;
    }
    if (options.isQuiet && entry.level !== "error" && entry.level !== "warn") return;
    if (options.holdsErrors && entry.level === "error") held.push(entry);
    else write(entry);
  };
  const release = () => {
    for (const entry of held.splice(0)) write(entry);
  };
  const showLive = (lines: readonly string[]) => {
    show(lines);
    isHeld = lines.length > 0;
  };
  const form = options.isQuiet ? "silent" : isJson ? "events" : canLive ? "live" : "lines";
  const size = () => output.size?.() ?? { columns: 80, rows: 24 };
  return { sink, write, release, clear, showLive, form, size, colors };
}

export interface Story {
  /** What the options let through. */
  sink: LogSink;
  /** Writes it whatever the options say. */
  write(entry: LogEntry): void;
  /** Writes the errors that were held. */
  release(): void;
  /** Removes the live lines. */
  clear(): void;
  /** Lines that stay below all others until they are replaced or removed; each must fit into the terminal's width. */
  showLive(lines: readonly string[]): void;
  /** How it is told how far the work has come: by live lines, by lines, by events, or not at all. */
  form: "live" | "lines" | "events" | "silent";
  size(): { columns: number; rows: number };
  colors: Colors;
}

function decorate({ level, message }: LogEntry, colors: Colors): string {
  if (level === "warn") return `${colors.yellow("warning:")} ${message}`;
  if (level === "error") return paintError(message, colors);
  return level === "debug" ? colors.dim(message) : message;
}

export type Cell = string | number | boolean | null;

/** Rows under a head, columns aligned, numbers to the right. */
export function formatTable(
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
  colors: Colors,
): string {
  const isNumeric = head.map(
    (_, index) => rows.length > 0 && rows.every((row) => isNumber(row[index] ?? null)),
  );
  const lines = [head.map((name) => colors.bold(name)), ...rows.map((row) => row.map(shownIn(colors)))];
  const widths = head.map((_, index) =>
    lines.reduce((most, line) => Math.max(most, widthOf(line[index])), 0),
  );
  return lines
    .map((line) => {
      const cells = widths.map((width, index) => {
        const [text = "", space = ""] = [line[index], " ".repeat(width - widthOf(line[index]))];
        return isNumeric[index] ? space + text : text + space;
      });
      return `  ${cells.join("   ")}`.trimEnd();
    })
    .join("\n");
}

/** In columns of a terminal. */
export function widthOf(text = ""): number {
  return /^[\x20-\x7e]*$/.test(text) ? text.length : stringWidth(text);
}

function shownIn(colors: Colors): (cell: Cell) => string {
  return (cell) => formatCell(cell, colors);
}

const MAX_CELL = 60;

function isNumber(cell: Cell): boolean {
  return (
    cell === null || cell === "–" || typeof cell === "number" || /^[-–]?[\d,]*\.?\d+( s)?$/.test(String(cell))
  );
}

function formatCell(cell: Cell, colors: Colors): string {
  if (cell === null) return colors.dim("null");
  if (typeof cell === "number") return formatCount(cell);
  const text = String(cell);
  const bare = colors.isColorSupported ? text.replace(PAINTED, "$2") : text;
  if (bare.length > MAX_CELL) return `${printable(bare).slice(0, MAX_CELL - 1)}…`;
  // What is painted is ours; what it holds may come from outside.
  return colors.isColorSupported
    ? text
        .split(PAINTED_WHOLE)
        .map((piece, index) => (index % 2 === 1 ? piece : printable(piece)))
        .join("")
    : printable(text);
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: these begin and end what `Colors` paints
const PAINTED = /\u001b\[([12]|3[123])m([^\u0000-\u001f\u007f-\u009f]*)\u001b\[(22|39)m/g;
const PAINTED_WHOLE = new RegExp(`(${PAINTED.source.replace(/\(/g, "(?:")})`, "g");

/** Text of the outside world without what a terminal would obey. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (character) => (character === "\n" ? "↵" : "·"));
}

/** The same for whole lines: tabs and line ends stay. */
export function printableLines(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, "·");
}

export function formatCount(count: number): string {
  // The locale's own formatting takes 20 ms to begin with.
  return Number.isInteger(count)
    ? String(count).replace(/\B(?=(\d{3})+$)/g, ",")
    : count.toLocaleString("en-US");
}

export function formatSeconds(seconds: number): string {
  return `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`;
}

/** `1 row`, `2 rows`. */
export function plural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
