import { EXIT, ProjectError } from "../core/errors.ts";
import { nearestNames } from "../core/nearest.ts";
import { DAMAGES, FRAMINGS, KINDS, PLACES } from "./faults/kinds.ts";
import { STREAMS, type StreamName } from "./world/records.ts";

export type FaultKind = keyof typeof KINDS;
export type Damage = (typeof DAMAGES)[number];

/** One way in which the service misbehaves; of all the rules for a request the first that strikes is followed. */
export interface FaultRule {
  kind: FaultKind;
  /** Without it, every stream. */
  stream?: StreamName;
  /** Without it, every page. */
  page?: number;
  /** Of each request; 1 without it. Drawn from the seed, the page and how often the page was asked for. */
  probability?: number;
  /** How often the rule strikes in all. */
  times?: number;
  /** How many requests that the rule is for pass before it begins. */
  after?: number;
  /** The text of the header, or `absent`, or `date`, `date+5`, `date-5`: an HTTP date so many seconds from now. */
  retryAfter?: string;
  status?: number;
  /** The part of the body that is sent, 0 to 1, or a random part. */
  at?: number | "random";
  /** The same as a number of bytes. */
  bytes?: number;
  framing?: (typeof FRAMINGS)[number];
  /** A stall before the status line, after the headers, within the body, or one byte every `ms`. */
  where?: (typeof PLACES)[number];
  ms?: number;
  /** The place in the page, from 0. */
  record?: number;
  damage?: Damage;
  body?: string;
  /** The content type of `body`. */
  type?: string;
}

const EXAMPLE = "429=0.05,cut(at=0.3)@tracks/3x2";
const RULE =
  /^(?<name>[\w-]+?)(\((?<settings>[^()]*)\))?(@(?<stream>[\w*]+?)(\/(?<page>[1-9]\d*))?)?(x(?<times>\d+))?(=(?<chance>.+))?$/;
/** The field of each setting, and how its text is read: undefined when it makes no sense. */
const SETTINGS: Record<
  string,
  { field: keyof FaultRule; read: (text: string) => string | number | undefined }
> = {
  after: { field: "after", read: readWhole },
  at: { field: "at", read: (text) => (text === "random" ? text : readFraction(text)) },
  body: { field: "body", read: (text) => text },
  bytes: { field: "bytes", read: readWhole },
  damage: { field: "damage", read: (text) => DAMAGES.find((damage) => damage === text) },
  framing: { field: "framing", read: (text) => FRAMINGS.find((framing) => framing === text) },
  ms: { field: "ms", read: readWhole },
  record: { field: "record", read: readWhole },
  "retry-after": { field: "retryAfter", read: (text) => text },
  status: { field: "status", read: (text) => (/^[2-5]\d\d$/.test(text) ? Number(text) : undefined) },
  type: { field: "type", read: (text) => text },
  where: { field: "where", read: (text) => PLACES.find((place) => place === text) },
};

/** The help text of `--faults`. */
export const FAULTS_HELP = `Rules, separated by commas: kind(setting=value,...)@stream/pagexTIMES=PROBABILITY
All but the kind can be left out. The first rule that strikes is followed. @*/3 is page 3 of every
stream; the setting after=N, which every kind knows, lets N requests pass first. Examples:
  429=0.05,5xx=0.1            one answer in twenty is 429, one in ten of the others 5xx
  cut(at=0.3)@tracks/3x2      page 3 of tracks ends early twice, after 30 % of the body
  429(retry-after=date+5)@*/2 Retry-After as an HTTP date; also a number, any word, or absent
  stall(where=body)@users     where: ${PLACES.join(", ")}
  cut(framing=gzip)           framing: ${FRAMINGS.join(", ")}
  broken(damage=type)=0.01    damage: ${DAMAGES.join(", ")}
Kinds:
${Object.entries(KINDS)
  .map(
    ([kind, { does, settings }]) =>
      `  ${kind.padEnd(13)} ${does}${settings.length ? ` (${settings.join(", ")})` : ""}`,
  )
  .join("\n")}
`;

/** Reads the text of `--faults`, see FAULTS_HELP. Throws FAULTS_INVALID for the first part that it cannot read. */
export function parseFaults(text: string): FaultRule[] {
  const parts = text.split(/,(?![^(]*\))/).map((part) => part.trim());
  return parts.filter((part) => part !== "").map(parseRule);
}

function parseRule(part: string): FaultRule {
  const match = RULE.exec(part);
  const { name = "", settings = "", stream, page, times, chance } = match?.groups ?? {};
  if (!match) throw invalidFault(part, "it does not have the form of a rule");
  const rule: FaultRule = { ...findKind(name, part) };
  // A comma is part of a value unless the next setting follows: HTTP dates have commas.
  for (const setting of settings.split(/,\s*(?=[a-z-]+=)/).filter((text) => text !== "")) {
    Object.assign(rule, parseSetting(setting, rule.kind, part));
  }
  if (stream !== undefined && stream !== "*") rule.stream = findStream(stream, part);
  if (page !== undefined) rule.page = Number(page);
  if (times !== undefined) rule.times = Number(times);
  if (chance !== undefined) {
    const probability = readFraction(chance);
    if (probability === undefined) throw invalidFault(part, `"${chance}" is no probability from 0 to 1`);
    rule.probability = probability;
  }
  if (rule.kind === "status" && rule.status === undefined) throw invalidFault(part, "it needs a status");
  return rule;
}

function findKind(name: string, part: string): FaultRule {
  if (isKind(name)) return { kind: name };
  if (/^50[0-9]$/.test(name)) return { kind: "5xx", status: Number(name) };
  if (/^[2-5]\d\d$/.test(name)) return { kind: "status", status: Number(name) };
  throw invalidFault(part, `"${name}" is no kind of fault`, nearestNames(name, Object.keys(KINDS))[0]);
}

function findStream(name: string, part: string): StreamName {
  const stream = STREAMS.find((known) => known === name);
  if (stream) return stream;
  throw invalidFault(part, `"${name}" is no stream`, nearestNames(name, STREAMS)[0]);
}

function parseSetting(setting: string, kind: FaultKind, part: string): Record<string, string | number> {
  const [name = "", value = ""] = setting.split(/=(.*)/s, 2);
  const known: readonly string[] = ["after", ...KINDS[kind].settings];
  const reader = known.includes(name) ? SETTINGS[name] : undefined;
  if (!reader) throw invalidFault(part, `"${name}" is no setting of ${kind}`, nearestNames(name, known)[0]);
  const read = reader.read(value);
  if (read === undefined) throw invalidFault(part, `"${value}" is no value for ${name}`);
  return { [reader.field]: read };
}

function invalidFault(part: string, problem: string, nearest?: string): ProjectError {
  return new ProjectError("FAULTS_INVALID", {
    message: `fault "${part}": ${problem}`,
    why: nearest === undefined ? undefined : [`nearest name: ${nearest}`],
    hint: `write it like ${EXAMPLE}`,
    exitCode: EXIT.usage,
  });
}

function isKind(name: string): name is FaultKind {
  return Object.hasOwn(KINDS, name);
}

function readWhole(text: string): number | undefined {
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

function readFraction(text: string): number | undefined {
  const value = Number(text);
  return /^[\d.]+$/.test(text) && value >= 0 && value <= 1 ? value : undefined;
}
