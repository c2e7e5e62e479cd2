import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import { environmentValue } from "../core/config.ts";
import type { Context, Environment } from "../core/context.ts";
import { EXIT, ProjectError, ProjectErrors } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import { readTextFile } from "../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../core/yaml.ts";

const UNSUPPORTED_KEYS: readonly string[] = [
  ...["config_options", "secrets", "plugins", "external_root", "is_ducklake", "filesystems", "module_paths"],
  ...["use_credential_provider", "remote", "motherduck_attach"],
];

const duckdbTarget = z.strictObject({
  type: z.literal("duckdb"),
  /** Of the warehouse file, relative to the project folder. */
  path: z.string().default("data/warehouse.duckdb"),
  schema: z.string().default("main"),
  /** Models built at once. */
  threads: z.coerce.number().int().min(1).max(64).default(4),
  memory_limit: z.string().optional(),
  /** DuckDB's own settings, by their names. */
  settings: z
    .record(z.string(), z.union([z.string(), z.number(), z.boolean()]).transform(String))
    .nullable()
    .transform((settings) => settings ?? {})
    .default({}),
  /** Extensions of DuckDB that are loaded. */
  extensions: z
    .array(z.union([z.string(), z.looseObject({ name: z.string() }).transform(({ name }) => name)]))
    .nullish(),
  /** What SQL may read and write besides tables: folders, relative to the project, or the beginnings of URLs. */
  allowed_directories: z.array(z.string()).nullish(),
  /** Other database files beside the warehouse. */
  attach: z
    .array(
      z.looseObject({
        path: z.string(),
        alias: z.string().optional(),
        type: z.string().optional(),
        read_only: z.boolean().default(false),
      }),
    )
    .nullish(),
  /** Keys of dbt-duckdb: the first four say what is so anyway, the others are named in a warning. */
  database: z.json().optional(),
  keep_open: z.json().optional(),
  disable_transactions: z.json().optional(),
  retries: z.json().optional(),
  ...Object.fromEntries(UNSUPPORTED_KEYS.map((key) => [key, z.json().optional()])),
});
export type DuckdbTarget = z.output<typeof duckdbTarget>;

/** Of a profile only the chosen output is read: the others may need variables that are set elsewhere. */
const profileShape = z.strictObject({
  target: z.string().default("default"),
  outputs: z.record(z.string(), z.json()),
});

/** What the command line says about profiles. */
export interface ProfileChoice {
  target?: string | undefined;
  /** Absolute. */
  profilesDir?: string | undefined;
}

export interface Target {
  profileName: string;
  /** The name of the output, such as `dev`. */
  name: string;
  duckdb: DuckdbTarget;
  /** Where profiles.yml was found. */
  profilesDir: string;
}

const PROFILES_FILE = "profiles.yml";

/** The target of profiles.yml that the project's profile and `--target` choose. Throws ProjectErrors (exit 2). */
export function loadTarget(ctx: Context, profileName: string, given: ProfileChoice = {}): Target {
  const targetName = given.target;
  const folder = profilesFolder(ctx, given.profilesDir);
  const shownPath = folder === ctx.projectDir ? PROFILES_FILE : join(folder, PROFILES_FILE);
  const file = parseYaml(shownPath, readTextFile(folder, PROFILES_FILE));
  const profile = findProfile(file, profileName, ctx.env);
  const name = targetName ?? profile.target;
  if (!Object.hasOwn(profile.outputs, name)) {
    const known = Object.keys(profile.outputs);
    const isChosenHere = targetName === undefined;
    throw usageError("TARGET_UNKNOWN", `no target "${name}" in profile "${profileName}"`, {
      where: isChosenHere ? file.locate([profileName, "target"]) : file.locateKey([profileName], "outputs"),
      why: [...nearestLine(name, known), `targets: ${known.join(", ")}`],
      hint: "name one of these targets",
    });
  }
  const path = [profileName, "outputs", name];
  const output = fillEnvironment(profile.outputs[name], { file, path, env: ctx.env });
  const schema = z.object({ [profileName]: z.object({ outputs: z.object({ [name]: duckdbTarget }) }) });
  const filled = { ...file, value: { [profileName]: { outputs: { [name]: output } } } };
  const duckdb = validateYaml(filled, schema)[profileName]?.outputs[name];
  if (duckdb === undefined) throw new Error("the schema asks for this output");
  const unsupported = UNSUPPORTED_KEYS.filter((key) => key in duckdb);
  if (unsupported.length > 0) {
    const where = file.locateKey(path, unsupported[0] ?? "");
    ctx.log.warn("profile_keys_ignored", `${where}  not supported, and ignored: ${unsupported.join(", ")}`);
  }
  return { profileName, name, duckdb, profilesDir: folder };
}

/** The first folder with a profiles.yml: the given one, DBT_PROFILES_DIR, the project, ~/.dbt. */
function profilesFolder(ctx: Context, given: string | undefined): string {
  const named = given ?? environmentValue(ctx.env, "DBT_PROFILES_DIR");
  const home = environmentValue(ctx.env, "HOME");
  const folders =
    named === undefined
      ? [ctx.projectDir, ...(home === undefined ? [] : [join(home, ".dbt")])]
      : [resolve(ctx.projectDir, named)];
  const found = folders.find((folder) => existsSync(join(folder, PROFILES_FILE)));
  if (found !== undefined) return found;
  const message = named === undefined ? "no profiles.yml beside the project's file" : "no profiles.yml here";
  throw usageError("PROFILES_MISSING", message, {
    where: join(folders[0] ?? ctx.projectDir, PROFILES_FILE),
    ...(named === undefined ? { why: ["looked in the project's folder and in ~/.dbt"] } : {}),
    hint: "add one, in dbt's shape: <profile>: {target: dev, outputs: {dev: {type: duckdb}}}",
  });
}

function findProfile(file: YamlFile, name: string, env: Environment): z.output<typeof profileShape> {
  const all = validateYaml(file, z.record(z.string(), z.json()));
  if (!Object.hasOwn(all, name)) {
    throw usageError("PROFILE_UNKNOWN", `no profile "${name}" here`, {
      where: `${file.path}:1:1`,
      why: [...nearestLine(name, Object.keys(all)), `profiles: ${Object.keys(all).join(", ") || "none"}`],
      hint: `add a profile "${name}", or correct "profile" in project.yml`,
    });
  }
  const only = { ...file, value: { [name]: all[name] } };
  const profile = validateYaml(only, z.object({ [name]: profileShape }))[name];
  if (profile === undefined) throw new Error("the schema asks for this profile");
  const target = fillEnvironment(profile.target, { file, path: [name, "target"], env });
  return { ...profile, target: String(target) };
}

interface FillIn {
  file: YamlFile;
  path: PropertyKey[];
  env: Environment;
}

/** The value with `{{ env_var('NAME', 'default') }}` filled in. Throws ProjectErrors for all that are missing. */
function fillEnvironment(value: unknown, { file, path, env }: FillIn): unknown {
  const errors: ProjectError[] = [];
  const fill = (part: unknown, at: PropertyKey[]): unknown => {
    if (typeof part === "string") return fillText(part, { where: file.locate(at), env, errors });
    if (Array.isArray(part)) return part.map((item, index) => fill(item, [...at, index]));
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([key, item]) => [key, fill(item, [...at, key])]));
  };
  const filled = fill(value, path);
  if (errors.length > 0) throw new ProjectErrors(errors);
  return filled;
}

const TAG = /\{\{\s*(.*?)\s*\}\}/g;
const ENV_VAR =
  /^env_var\(\s*(['"])(\w+)\1\s*(?:,\s*(?:(['"])(.*?)\3|([\w.]+))\s*)?\)(?:\s*\|\s*(as_number|as_bool|as_native|as_text|int|string))?$/;

function fillText(text: string, to: { where: string; env: Environment; errors: ProjectError[] }): unknown {
  const { where, env, errors } = to;
  const filters = new Set<string>();
  const filled = text.replace(TAG, (tag, inside: string) => {
    const [, , name = "", , quoted, bare, filter] = ENV_VAR.exec(inside) ?? [];
    const fallback = quoted ?? bare;
    if (filter !== undefined) filters.add(filter);
    const value = Object.hasOwn(env, name) ? (environmentValue(env, name) ?? fallback) : fallback;
    if (name === "") {
      const hint = "write {{ env_var('NAME', 'default') }}";
      errors.push(usageError("PROFILES_TEMPLATE", `cannot read ${tag}`, { where, hint }));
    } else if (value === undefined) {
      const hint = `set ${name}, or give env_var a default`;
      errors.push(usageError("ENV_VAR_MISSING", `environment variable ${name} is not set`, { where, hint }));
    }
    return value ?? "";
  });
  return [...filters].reduce<unknown>((value, filter) => converted(value, filter, { where, errors }), filled);
}

const BOOLEANS: Record<string, boolean> = { true: true, false: false };

/** dbt's filters: a text from the environment as another kind of value. */
function converted(
  value: unknown,
  filter: string,
  { where, errors }: { where: string; errors: ProjectError[] },
): unknown {
  const text = String(value).trim();
  const number = text === "" ? Number.NaN : Number(text);
  const boolean = BOOLEANS[text.toLowerCase()];
  if (filter === "as_native") return boolean ?? (Number.isNaN(number) ? value : number);
  if (filter === "as_bool" && boolean !== undefined) return boolean;
  if ((filter === "as_number" || filter === "int") && !Number.isNaN(number)) return number;
  if (filter === "as_text" || filter === "string") return value;
  const kind = filter === "as_bool" ? "true or false" : "a number";
  const hint = `set the environment variable to ${kind}, or remove | ${filter}`;
  const shown = "the value is not shown: it may be a secret";
  errors.push(usageError("PROFILES_TEMPLATE", `the value is not ${kind}`, { where, why: [shown], hint }));
  return value;
}

function usageError(
  code: string,
  message: string,
  details: { where: string; why?: string[]; hint: string },
): ProjectError {
  return new ProjectError(code, { message, ...details, exitCode: EXIT.usage });
}
