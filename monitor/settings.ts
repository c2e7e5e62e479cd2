import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { PROJECT_FILE } from "../core/config.ts";
import { parseDuration } from "../core/duration.ts";
import { EXIT, ProjectError, ProjectErrors } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import { readTextFile } from "../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../core/yaml.ts";
import { SEVERITIES } from "../state/monitor-tables.ts";
import { isMetric, METRIC_NAMES, metricOf } from "./metrics/catalog.ts";

export const MONITOR_FILE = "monitor.yml";

const duration = z
  .string()
  .refine((text) => (parseDuration(text) ?? 0) > 0, "expected a duration such as 30s, 10m or 2d")
  .transform((text) => parseDuration(text) ?? 0);
const PERCENT = /^(\d+(?:\.\d+)?)\s*%$/;
const percent = z
  .string()
  .regex(PERCENT, "expected a share such as 50%")
  .transform((text) => Number(PERCENT.exec(text)?.[1]) / 100);
/** A number, a share such as `5%`, or a duration, which counts in seconds. */
const bound = z.union([
  z.number(),
  z
    .string()
    .refine((text) => PERCENT.test(text) || parseDuration(text) !== undefined, "expected a number, 5% or 10m")
    .transform((text) => {
      const share = PERCENT.exec(text)?.[1];
      return share === undefined ? (parseDuration(text) ?? 0) / 1000 : Number(share) / 100;
    }),
]);

const secret = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
]);

const history = {
  /** Points before the one that is judged; with fewer nothing is said. */
  min_samples: z.int().min(3).default(10),
  /** How far back. */
  window: duration.default(30 * 86_400_000),
  /** Compare with points of the same hour, or weekday, alone. */
  season: z.enum(["none", "hour", "weekday"]).default("none"),
};
const anomaly = z.strictObject({
  direction: z.enum(["above", "below", "both"]).default("both"),
  /** From the median, in standard deviations as the median absolute deviation tells them. */
  deviations: z.number().positive().default(4),
  ...history,
});

const ruleSchema = z.strictObject({
  name: z.string().regex(/^[A-Za-z][\w-]*$/, "expected a letter, then letters, digits, _ and -"),
  description: z.string().optional(),
  metric: z.string(),
  /** Label and value, in which `*` stands for anything. */
  where: z.record(z.string(), z.string()).default({}),
  min: bound.optional(),
  max: bound.optional(),
  anomaly: z.union([z.literal(true).transform(() => anomaly.parse({})), anomaly]).optional(),
  /** Lower than the median by so much. */
  drop: z
    .union([
      percent.transform((by) => ({ by, ...z.object(history).parse({}) })),
      z.strictObject({ by: percent, ...history }),
    ])
    .optional(),
  /** The mean over a stretch of time. */
  rate: z.strictObject({ max: bound, over: duration, min_samples: z.int().min(1).default(3) }).optional(),
  severity: z.enum(SEVERITIES).default("error"),
  /** All channels when left out. */
  channels: z.array(z.string()).optional(),
});
export type Rule = z.output<typeof ruleSchema>;

const CLOCK = /^([01]\d|2[0-3]):[0-5]\d$/;
const WEEKDAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"] as const;
const quietSchema = z.strictObject({
  from: z.string().regex(CLOCK, 'expected a time such as "22:00"'),
  to: z.string().regex(CLOCK, 'expected a time such as "07:00"'),
  /** Days on which it begins. */
  days: z.array(z.enum(WEEKDAYS)).default([...WEEKDAYS]),
  /** What is told nevertheless. */
  except: z.enum(SEVERITIES).default("critical"),
});
export type QuietHours = z.output<typeof quietSchema>;

const shared = {
  min_severity: z.enum(SEVERITIES).default("warning"),
  /** A Handlebars file of the project instead of the usual text. */
  template: z.string().optional(),
  timeout: duration.default(10_000),
};
const address = z
  .string()
  .regex(/^[^\r\n]*[^\s@<]+@[^\s@>]+>?$/, "expected an address such as ops@example.com");
const emailSchema = z.strictObject({
  type: z.literal("email"),
  host: z.string().min(1),
  port: z.int().min(1).max(65_535).default(587),
  /** starttls refuses to go on without it. */
  tls: z.enum(["starttls", "tls", "none"]).default("starttls"),
  /** A certificate to trust besides the usual ones. */
  ca_file: z.string().optional(),
  user: secret.optional(),
  password: secret.optional(),
  from: address,
  to: z.array(address).default([]),
  /** Whether the owners of what is concerned get it as well. */
  to_owners: z.boolean().default(false),
  ...shared,
});
const slackSchema = z.strictObject({ type: z.literal("slack"), url: secret, ...shared });
const webhookSchema = z.strictObject({
  type: z.literal("webhook"),
  url: secret,
  /** What messages are signed with. */
  secret: secret.optional(),
  ...shared,
});
const channelSchema = z.discriminatedUnion("type", [emailSchema, slackSchema, webhookSchema]);
export type Channel = z.output<typeof channelSchema>;
export type EmailChannel = z.output<typeof emailSchema>;
export type SlackChannel = z.output<typeof slackSchema>;
export type WebhookChannel = z.output<typeof webhookSchema>;

const monitorSchema = z.strictObject({
  /** Of quiet hours and seasons. */
  timezone: z.string().default("UTC"),
  quiet_hours: quietSchema.optional(),
  channels: z.record(z.string(), channelSchema).default({}),
  rules: z.array(ruleSchema).default([]),
  /** After so long a message that no attempt brought through is given up. */
  give_up_after: duration.default(86_400_000),
});
export type MonitorSettings = z.output<typeof monitorSchema>;

/**
 * What monitor.yml, or `monitor:` of project.yml, asks for; nothing when neither is there. Throws all that is wrong
 * with it at once (exit 2): YAML_*, MONITOR_TWICE, METRIC_UNKNOWN, RULE_*, CHANNEL_UNKNOWN, MONITOR_TIMEZONE.
 */
export function loadMonitor(projectDir: string): MonitorSettings {
  const own = read(projectDir, MONITOR_FILE);
  const project = read(projectDir, PROJECT_FILE);
  const inside = (project?.value as { monitor?: unknown } | undefined)?.monitor; // Validated below.
  if (own !== undefined && inside !== undefined && project !== undefined)
    throw settingError(
      "MONITOR_TWICE",
      project.locateKey([], "monitor"),
      "the monitor is set up in two places",
      {
        why: [`the other one: ${MONITOR_FILE}`],
        hint: `keep ${MONITOR_FILE}, and remove monitor: here`,
      },
    );
  if (own !== undefined) return checked(own, validateYaml(own, monitorSchema), []);
  if (project === undefined || inside === undefined) return monitorSchema.parse({});
  const schema = z.looseObject({ monitor: monitorSchema });
  return checked(project, validateYaml(project, schema).monitor, ["monitor"]);
}

function read(projectDir: string, name: string): YamlFile | undefined {
  if (!existsSync(join(projectDir, name))) return undefined;
  return parseYaml(name, readTextFile(projectDir, name));
}

function settingError(
  code: string,
  where: string,
  message: string,
  { why = [], hint }: { why?: string[]; hint: string },
): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}

type Path = readonly (string | number)[];

function checked(file: YamlFile, settings: MonitorSettings, base: Path): MonitorSettings {
  const at = (...path: (string | number)[]) => file.locate([...base, ...path]);
  const errors: ProjectError[] = [];
  if (!isTimeZone(settings.timezone))
    errors.push(
      settingError("MONITOR_TIMEZONE", at("timezone"), `unknown time zone "${settings.timezone}"`, {
        why: nearestLine(settings.timezone, Intl.supportedValuesOf("timeZone")),
        hint: "write a name of the IANA database, such as Europe/Paris or UTC",
      }),
    );
  const names = Object.keys(settings.channels);
  const seen = new Set<string>();
  for (const [place, rule] of settings.rules.entries()) {
    if (seen.has(rule.name))
      errors.push(
        settingError("RULE_TWICE", at("rules", place, "name"), `a second rule "${rule.name}"`, {
          hint: "give it another name",
        }),
      );
    seen.add(rule.name);
    errors.push(...ruleErrors(rule, (...path) => at("rules", place, ...path)));
    for (const [index, name] of (rule.channels ?? []).entries())
      if (!names.includes(name))
        errors.push(
          settingError(
            "CHANNEL_UNKNOWN",
            at("rules", place, "channels", index),
            `no channel is called "${name}"`,
            {
              why: nearestLine(name, names),
              hint: `define it below channels:, or take one of: ${names.join(", ") || "(there is none)"}`,
            },
          ),
        );
  }
  if (errors.length > 0) throw new ProjectErrors(errors);
  return settings;
}

const JUDGEMENTS = ["min", "max", "anomaly", "drop", "rate"] as const;

function ruleErrors(rule: Rule, at: (...path: (string | number)[]) => string): ProjectError[] {
  const metric = metricOf(rule.metric);
  if (!isMetric(rule.metric) || metric === undefined)
    return [
      settingError("METRIC_UNKNOWN", at("metric"), `no metric is called "${rule.metric}"`, {
        why: nearestLine(rule.metric, METRIC_NAMES),
        hint: `take one of: ${METRIC_NAMES.join(", ")}`,
      }),
    ];
  const errors = Object.keys(rule.where)
    .filter((label) => !metric.labels.includes(label))
    .map((label) =>
      settingError("RULE_LABEL", at("where", label), `${rule.metric} has no label "${label}"`, {
        why: nearestLine(label, metric.labels),
        hint: `its labels: ${metric.labels.join(", ")}`,
      }),
    );
  const asked = JUDGEMENTS.filter((key) => rule[key] !== undefined);
  const isBounds = asked.every((key) => key === "min" || key === "max");
  if (asked.length === 0 || (!isBounds && asked.length > 1))
    errors.push(
      settingError(
        "RULE_JUDGEMENT",
        at("name"),
        asked.length === 0
          ? `rule "${rule.name}" does not say what is wrong`
          : `rule "${rule.name}" says in several ways what is wrong: ${asked.join(", ")}`,
        { hint: "give it min and max, or one of anomaly, drop and rate" },
      ),
    );
  return errors;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
