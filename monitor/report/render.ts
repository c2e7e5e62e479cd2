import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import Handlebars from "handlebars";
import { packageRoot } from "../../core/config.ts";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import { readTextFile } from "../../core/text-file.ts";
import { escapeMrkdwn } from "../mrkdwn.ts";
import {
  ageText,
  changeText,
  countText,
  figureText,
  percentText,
  secondsText,
  sparkText,
  timeText,
} from "./format.ts";
import type { Report } from "./report.ts";

/** html and text are the two parts of a mail; slack is short, in mrkdwn. */
export const FORMS = ["html", "text", "slack"] as const;
export type Form = (typeof FORMS)[number];

const FOLDER = "monitor/report/templates";

/**
 * The report in a form, its values escaped for it: by the project's `templates/report.FORM.hbs` where there is one. A
 * template is given what `run report --json` prints. Throws REPORT_TEMPLATE (exit 2).
 */
export function renderReport(report: Report, form: Form, projectDir: string): string {
  const own = `templates/report.${form}.hbs`;
  const source = existsSync(join(projectDir, own))
    ? readTextFile(projectDir, own)
    : readFileSync(join(packageRoot(), FOLDER, `report.${form}.hbs`), "utf8");
  const handlebars = Handlebars.create();
  handlebars.registerHelper(HELPERS);
  // Only html is escaped by Handlebars itself.
  const isHtml = form === "html";
  const values = mapTexts(report, form === "slack" ? (text) => escapeMrkdwn(plainText(text)) : plainText);
  try {
    const template = handlebars.compile<unknown>(source, {
      noEscape: !isHtml,
      strict: true,
      preventIndent: true,
    });
    const rendered = template(values);
    return (isHtml ? rendered : rendered.replace(/[ \t]+$/gm, "")).trimEnd();
  } catch (error) {
    throw templateError(error, own);
  }
}

/** One line, for the subject of a mail. */
export function subjectOf({ project, verdict, answers, until }: Report): string {
  const word = { good: "all well", warning: "warnings", bad: "problems", unknown: "nothing known" }[verdict];
  const worst = answers.find((answer) => answer.verdict === verdict && verdict !== "good");
  return plainText(
    `${project}: ${word}${worst === undefined ? "" : ` (${worst.text})`}, ${until.slice(0, 10)}`,
  ).slice(0, 200);
}

function templateError(error: unknown, file: string): ProjectError {
  const message = messageOf(error);
  const [, line] = /Parse error on line (\d+)/.exec(message) ?? [];
  const [, at] = / - (\d+:\d+)$/.exec(message) ?? [];
  const place = line ?? at?.replace(/:(\d+)$/, (_, column: string) => `:${Number(column) + 1}`);
  return new ProjectError("REPORT_TEMPLATE", {
    message: `the template cannot be rendered: ${message.split("\n")[0]?.replace(/ - \d+:\d+$/, "")}`,
    where: place === undefined ? file : `${file}:${place}`,
    hint: "run report --json shows what a template is given; remove the file to use the usual template",
    exitCode: EXIT.usage,
    cause: error,
  });
}

/** The same document with each of its texts changed. */
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value);
  if (Array.isArray(value)) return value.map((one) => mapTexts(one, change));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, mapTexts(one, change)]));
}

/** On one line, without what a terminal or a mail would obey. */
function plainText(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return text.replace(/[\u0000-\u001f\u007f-\u009f]+/g, " ");
}

const HELPERS: Record<string, Handlebars.HelperDelegate> = {
  count: countText,
  seconds: secondsText,
  percent: percentText,
  figure: figureText,
  age: ageText,
  time: timeText,
  spark: (values: number[]) => sparkText(values),
  change: (now: number | null, before: number | null) => changeText(now, before),
  /** How much of the largest in a list a value is, in percent. */
  width: (value: number, list: Record<string, unknown>[], key: string) => {
    const most = Math.max(...list.map((one) => Number(one[key])));
    return most > 0 ? Math.max(1, Math.round((value / most) * 100)) : 0;
  },
  first: (list: unknown[], most: number) => list.slice(0, most),
  /** How many a list has besides the first ones; 0 for none. */
  more: (list: unknown[], most: number) => Math.max(0, list.length - most),
  names: (list: string[]) => list.join(", "),
  concat: (...parts: unknown[]) => parts.slice(0, -1).join(""),
  pad: (text: string, width: number) => String(text).padEnd(width),
  left: (text: string, width: number) => String(text).padStart(width),
  /** In html: escaped, and narrow columns may break its names after _, . and /. */
  breakable: (text: string) =>
    new Handlebars.SafeString(Handlebars.escapeExpression(text).replace(/[_./](?=[A-Za-z_])/g, "$&<wbr>")),
  words: (text: string) => text.replaceAll("_", " "),
  is: (value: unknown, other: unknown) => value === other,
  or: (...values: unknown[]) => values.slice(0, -1).some(Boolean),
  short: (id: string) => id.slice(0, 8),
};
