import Handlebars from "handlebars";
import { ProjectError } from "../../core/errors.ts";
import { escapeMrkdwn } from "../mrkdwn.ts";
import type { AlertMessage } from "./message.ts";

/** What a text becomes so that it is read as text in this format. */
const ESCAPES = {
  html: (text: string) => Handlebars.Utils.escapeExpression(text),
  mrkdwn: escapeMrkdwn,
  json: (text: string) => JSON.stringify(text).slice(1, -1),
  /** One line, so that no text becomes a header of its own. */
  header: (text: string) => text.replace(/[\p{Cc}\u2028\u2029]+/gu, " ").trim(),
  text: (text: string) => text,
} as const;
export type Format = keyof typeof ESCAPES;

/** The template with the message's texts in it, each escaped for the format, whichever braces the template has. */
export function render(template: string, message: AlertMessage, format: Format): string {
  const context = escapeAll(viewOf(message), ESCAPES[format]);
  try {
    return Handlebars.create().compile(template, { noEscape: true })(context);
  } catch (error) {
    const [problem = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
    throw new ProjectError("ALERT_TEMPLATE", {
      message: `the template of an alert cannot be used: ${problem}`,
      hint: "correct it, or remove template: from the channel",
      cause: error,
    });
  }
}

function escapeAll(value: unknown, escaped: (text: string) => string): unknown {
  if (typeof value === "string") return escaped(value);
  if (Array.isArray(value)) return value.map((one) => escapeAll(one, escaped));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, escapeAll(one, escaped)]));
}

const MAX_AFFECTED = 20;
const MAX_PARTS = 20;

/** What templates may use. */
function viewOf(message: AlertMessage) {
  const { affected, owners, severity, former_severity, kind, opened_at, resolved_at, parts } = message;
  const more = affected.length - MAX_AFFECTED;
  const listed = affected.slice(0, MAX_AFFECTED).join(", ");
  return {
    ...message,
    parts: [
      ...parts.slice(0, MAX_PARTS).map((part) => ({ ...part, text: textOf(part, message) })),
      ...(parts.length > MAX_PARTS ? [{ text: `and ${parts.length - MAX_PARTS} more` }] : []),
    ],
    word: {
      opened: severity,
      escalated: `${severity} (was ${former_severity ?? "less"})`,
      resolved: "resolved",
      test: "test",
    }[kind],
    is_resolved: kind === "resolved",
    is_warning: severity === "warning" && kind !== "resolved",
    affected_text: more > 0 ? `${listed} and ${more} more` : listed,
    owners_text: owners.map(({ name }) => name).join(", "),
    opened_text: opened_at.slice(0, 16).replace("T", " "),
    resolved_text: resolved_at?.slice(0, 16).replace("T", " ") ?? "",
    run_text: message.run_id?.slice(0, 8) ?? "",
  };
}

/** What is wrong; where it is not what the incident is called after, with what it is about. */
function textOf({ title, message }: AlertMessage["parts"][number], incident: AlertMessage): string {
  return incident.title.startsWith(title) || message.startsWith(title) ? message : `${title}: ${message}`;
}

export const SUBJECT = "[{{project}}] {{word}}: {{title}}";
export const TEXT = `{{word}}: {{title}}
{{#each parts}}
- {{text}}
{{/each}}
{{#if affected_text}}affects: {{affected_text}}
{{/if}}{{#if owners_text}}owners: {{owners_text}}
{{/if}}since {{opened_text}} UTC{{#if is_resolved}}, resolved {{resolved_text}} UTC{{/if}}
{{#if run_text}}run logs {{run_text}}
{{/if}}`;
export const HTML = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"></head>
<body style="font-family:sans-serif;max-width:40em;margin:1em;overflow-wrap:anywhere">
<h2 style="color:{{#if is_resolved}}#1a7f37{{else if is_warning}}#9a6700{{else}}#b42318{{/if}}">{{word}}: {{title}}</h2>
<ul>{{#each parts}}<li style="white-space:pre-wrap">{{text}}</li>{{/each}}</ul>
{{#if affected_text}}<p>Affects: {{affected_text}}</p>{{/if}}
{{#if owners_text}}<p>Owners: {{owners_text}}</p>{{/if}}
<p style="color:#57606a">{{project}}, since {{opened_text}} UTC{{#if is_resolved}}, resolved {{resolved_text}} UTC{{/if}}{{#if run_text}}, run {{run_text}}{{/if}}</p>
</body></html>
`;
export const SLACK = `{{#if is_resolved}}:white_check_mark:{{else if is_warning}}:warning:{{else}}:rotating_light:{{/if}} *{{word}}: {{title}}* ({{project}})
{{#each parts}}
• {{text}}
{{/each}}
{{#if affected_text}}Affects: {{affected_text}}
{{/if}}{{#if owners_text}}Owners: {{owners_text}}
{{/if}}since {{opened_text}} UTC{{#if is_resolved}}, resolved {{resolved_text}} UTC{{/if}}{{#if run_text}}, run {{run_text}}{{/if}}`;
