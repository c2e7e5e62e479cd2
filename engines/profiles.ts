import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { environmentValue } from "../core/config.ts";
import type { Context, Environment } from "../core/context.ts";
import { EXIT, ProjectError, ProjectErrors } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import { readTextFile } from "../core/text-file.ts";
import { parseYaml, validateYaml, type YamlFile } from "../core/yaml.ts";

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
    .default({}),
});
export type DuckdbTarget = z.output<typeof duckdbTarget>;

/** Of a profile only the chosen output is read: the others may need variables that are set elsewhere. */
const profileShape = z.strictObject({
  target: z.string().default("default"),
  outputs: z.record(z.string(), z.json()),
});

export interface Target {
  profileName: string;
  /** The name of the output, such as `dev`. */
  name: string;
  duckdb: DuckdbTarget;
}

const PROFILES_FILE = "profiles.yml";

/** The target of profiles.yml that the project's profile and `--target` choose. Throws ProjectErrors (exit 2). */
export function loadTarget(ctx: Context, profileName: string, targetName: string | undefined): Target {
  if (!existsSync(join(ctx.projectDir, PROFILES_FILE))) {
    throw usageError("PROFILES_MISSING", "no profiles.yml beside project.yml", {
      where: join(ctx.projectDir, PROFILES_FILE),
      hint: "add one, in dbt's shape: <profile>: {target: dev, outputs: {dev: {type: duckdb}}}",
    });
  }
  const file = parseYaml(PROFILES_FILE, readTextFile(ctx.projectDir, PROFILES_FILE));
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
  return { profileName, name, duckdb };
}

function findProfile(file: YamlFile, name: string, env: Environment): z.output<typeof profileShape> {
  const all = validateYaml(file, z.record(z.string(), z.json()));
  if (!Object.hasOwn(all, name)) {
    throw usageError("PROFILE_UNKNOWN", `no profile "${name}" here`, {
      where: `${PROFILES_FILE}:1:1`,
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
const ENV_VAR = /^env_var\(\s*(['"])(\w+)\1\s*(?:,\s*(['"])(.*?)\3\s*)?\)$/;

function fillText(text: string, to: { where: string; env: Environment; errors: ProjectError[] }): string {
  const { where, env, errors } = to;
  return text.replace(TAG, (tag, inside: string) => {
    const [, , name = "", , fallback] = ENV_VAR.exec(inside) ?? [];
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
}

function usageError(
  code: string,
  message: string,
  details: { where: string; why?: string[]; hint: string },
): ProjectError {
  return new ProjectError(code, { message, ...details, exitCode: EXIT.usage });
}
