import { existsSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { z } from "zod";
import { environmentValue, PROJECT_FILE } from "../../core/config.ts";
import type { Context, Environment } from "../../core/context.ts";
import { parseDuration } from "../../core/duration.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { readTextFile } from "../../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../../core/yaml.ts";

export const LINEAGE_FILE = "openlineage.yml";

/** Seconds, or a duration; in milliseconds afterwards. */
const time = z.union([
  z
    .number()
    .positive()
    .transform((seconds) => seconds * 1000),
  z
    .string()
    .refine((text) => (parseDuration(text) ?? 0) > 0, "expected seconds, or a duration such as 5s")
    .transform((text) => parseDuration(text) ?? 0),
]);
const place = z.union([
  z.strictObject({ env: z.string().min(1) }),
  z.strictObject({ file: z.string().min(1) }),
]);
export type KeyPlace = z.output<typeof place> | string;

/** In project.yml a key is never written out; OpenLineage's own file and variables have it as it is. */
function transportSchema<T extends z.ZodType<KeyPlace>>(key: T) {
  const auth = z
    .strictObject({ type: z.literal("api_key"), api_key: key.optional(), apiKey: key.optional() })
    .transform((given) => given.api_key ?? given.apiKey)
    .refine((given) => given !== undefined, "expected api_key");
  return z.discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("http"),
      url: z.url({ protocol: /^https?$/, error: "expected an http or https address" }),
      endpoint: z.string().default("api/v1/lineage"),
      timeout: time.default(5000),
      /** Attempts after the first, within one command. */
      retries: z.int().min(0).max(10).default(2),
      auth: auth.optional(),
    }),
    z.strictObject({
      type: z.literal("file"),
      /** From the project's folder on. */
      log_file_path: z.string().min(1),
      /** Lines are always added at the end. */
      append: z.literal(true).default(true),
    }),
    z.strictObject({ type: z.literal("noop") }),
  ]);
}

const inProject = z.strictObject({
  namespace: z.string().min(1).optional(),
  transport: transportSchema(place),
});
const inFile = z.strictObject({
  namespace: z.string().min(1).optional(),
  transport: transportSchema(z.union([place, z.string().min(1)])),
});
export type Transport = Exclude<z.output<typeof inFile>["transport"], { type: "noop" }>;

export interface LineageSettings {
  /** Of jobs. */
  namespace: string;
  transport: Transport;
}

/**
 * Where OpenLineage events go: what the variables OPENLINEAGE_* say, else openlineage.yml, else `openlineage:` of
 * project.yml; null when nothing asks for them. Throws YAML_*, OPENLINEAGE_TWICE, OPENLINEAGE_VARIABLE (exit 2).
 */
export function loadLineageSettings(
  { env, projectDir }: Pick<Context, "env" | "projectDir">,
  project: string,
): LineageSettings | null {
  if (/^\s*true\s*$/i.test(env.OPENLINEAGE_DISABLED ?? "")) return null;
  const found = fromVariables(env) ?? fromFiles(env, projectDir);
  if (found === null || found.transport.type === "noop") return null;
  const namespace = environmentValue(env, "OPENLINEAGE_NAMESPACE") ?? found.namespace ?? project;
  return { namespace, transport: found.transport };
}

type Found = z.output<typeof inFile>;

function fromFiles(env: Environment, projectDir: string): Found | null {
  const named = environmentValue(env, "OPENLINEAGE_CONFIG");
  const path = named === undefined ? join(projectDir, LINEAGE_FILE) : resolve(projectDir, named);
  const own = existsSync(path) ? read(dirname(path), basename(path)) : undefined;
  const file = existsSync(join(projectDir, PROJECT_FILE)) ? read(projectDir, PROJECT_FILE) : undefined;
  const inside = (file?.value as { openlineage?: unknown } | null | undefined)?.openlineage; // Validated below.
  if (own !== undefined && inside !== undefined && file !== undefined && named === undefined)
    throw new ProjectError("OPENLINEAGE_TWICE", {
      message: "OpenLineage is set up in two places",
      where: file.locateKey([], "openlineage"),
      why: [`the other one: ${LINEAGE_FILE}`],
      hint: `keep ${LINEAGE_FILE}, and remove openlineage: here`,
      exitCode: EXIT.usage,
    });
  if (own !== undefined) return validateYaml(own, inFile);
  if (file === undefined || inside === undefined) return null;
  checkKey(file, inside);
  return validateYaml(file, z.looseObject({ openlineage: inProject })).openlineage;
}

/** A mistake shows the value that is wrong: this one is not shown. */
function checkKey(file: YamlFile, inside: unknown): void {
  const { transport } = (inside ?? {}) as { transport?: { auth?: Record<string, unknown> } | null }; // looked at
  const name = ["api_key", "apiKey"].find((key) => typeof transport?.auth?.[key] === "string");
  if (name === undefined) return;
  throw new ProjectError("OPENLINEAGE_KEY", {
    message: "a key is written out",
    where: file.locate(["openlineage", "transport", "auth", name]),
    hint: `name where it is: ${name}: { env: OPENLINEAGE_API_KEY } or { file: … }`,
    exitCode: EXIT.usage,
  });
}

function read(folder: string, name: string): YamlFile {
  return parseYaml(name, readTextFile(folder, name));
}

const PREFIX = "OPENLINEAGE__TRANSPORT__";

/** `OPENLINEAGE__TRANSPORT__AUTH__API_KEY` is the member `api_key` of `auth`; a value may also be JSON. */
function fromVariables(env: Environment): Found | null {
  const transport: Record<string, unknown> = {};
  for (const [name, text] of Object.entries(env)) {
    if (!name.startsWith(PREFIX) || text === undefined || text === "") continue;
    setMember(transport, name.slice(PREFIX.length).toLowerCase().split("__"), readValue(name, text));
  }
  if (transport.type === undefined) {
    const url = environmentValue(env, "OPENLINEAGE_URL");
    if (url === undefined) return null;
    const endpoint = environmentValue(env, "OPENLINEAGE_ENDPOINT");
    const key = environmentValue(env, "OPENLINEAGE_API_KEY");
    Object.assign(transport, { type: "http", url, ...(endpoint === undefined ? {} : { endpoint }) });
    if (key !== undefined) transport.auth = { type: "api_key", api_key: key };
  }
  const result = inFile.safeParse({ transport });
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = (issue?.path ?? []).map(String).filter((part) => part !== "transport");
  throw new ProjectError("OPENLINEAGE_VARIABLE", {
    message: `the OpenLineage variables of the environment are wrong: ${issue?.message ?? ""}`,
    where: `environment variable ${PREFIX}${(path.length === 0 ? ["type"] : path).join("__").toUpperCase()}`,
    hint: "this program sends by http or into a file; OPENLINEAGE_DISABLED=true sends nothing",
    exitCode: EXIT.usage,
  });
}

function setMember(into: Record<string, unknown>, [name = "", ...rest]: string[], value: unknown): void {
  // Names of variables have no capitals inside: these keys do.
  const key = name === "apikey" ? "api_key" : name;
  if (rest.length === 0) into[key] = value;
  else {
    const inner = (into[key] ?? {}) as Record<string, unknown>; // made here
    into[key] = inner;
    setMember(inner, rest, value);
  }
}

/** Maps are JSON; of the others only these are no texts. */
function readValue(name: string, text: string): unknown {
  if (/__(TIMEOUT|RETRIES)$/.test(name) && /^\d+(\.\d+)?$/.test(text)) return Number(text);
  if (/__APPEND$/.test(name)) return text.toLowerCase() === "true";
  if (!text.startsWith("{")) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
