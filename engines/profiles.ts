import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Context, Environment } from "../core/context.ts";
import { EXIT, ProjectError, ProjectErrors } from "../core/errors.ts";
import { nearestLine } from "../core/nearest.ts";
import { parseYaml, validateYaml, type YamlFile } from "../core/yaml.ts";

const duckdbTarget = z.strictObject({
  type: z.literal("duckdb", "expected duckdb: no other engine is built in"),
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

const profiles = z.record(
  z.string(),
  z.strictObject({ target: z.string(), outputs: z.record(z.string(), duckdbTarget) }),
);

export interface Target {
  profileName: string;
  /** The name of the output, such as `dev`. */
  name: string;
  duckdb: DuckdbTarget;
}

const PROFILES_FILE = "profiles.yml";

/** The target of profiles.yml that the project's profile and `--target` choose. Throws ProjectErrors (exit 2). */
export function loadTarget(ctx: Context, profileName: string, targetName: string | undefined): Target {
  const path = join(ctx.projectDir, PROFILES_FILE);
  if (!existsSync(path)) {
    throw usageError(
      "PROFILES_MISSING",
      "no profiles.yml beside project.yml",
      path,
      [],
      "add one, in dbt's shape",
    );
  }
  const file = withEnvironment(parseYaml(PROFILES_FILE, readFileSync(path, "utf8")), ctx.env);
  const all = validateYaml(file, profiles);
  const profile = all[profileName];
  if (profile === undefined) {
    const why = nearestLine(profileName, Object.keys(all));
    const hint = `add a profile "${profileName}", or correct "profile" in project.yml`;
    throw usageError(
      "PROFILE_UNKNOWN",
      `no profile "${profileName}" here`,
      `${PROFILES_FILE}:1:1`,
      why,
      hint,
    );
  }
  const name = targetName ?? profile.target;
  const duckdb = profile.outputs[name];
  if (duckdb === undefined) {
    const known = Object.keys(profile.outputs);
    const where =
      targetName === undefined
        ? file.locate([profileName, "target"])
        : file.locateKey([profileName], "outputs");
    const why = [...nearestLine(name, known), `targets: ${known.join(", ")}`];
    throw usageError(
      "TARGET_UNKNOWN",
      `no target "${name}" in profile "${profileName}"`,
      where,
      why,
      "name one of these targets",
    );
  }
  return { profileName, name, duckdb };
}

/** Fills in `{{ env_var('NAME', 'default') }}` inside every text of the file. */
function withEnvironment(file: YamlFile, env: Environment): YamlFile {
  const errors: ProjectError[] = [];
  const fill = (value: unknown, path: PropertyKey[]): unknown => {
    if (typeof value === "string") return fillText(value, file.locate(path), env, errors);
    if (Array.isArray(value)) return value.map((item, index) => fill(item, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, [...path, key])]));
  };
  const value = fill(file.value, []);
  if (errors.length > 0) throw new ProjectErrors(errors);
  return { ...file, value };
}

const TAG = /\{\{\s*(.*?)\s*\}\}/g;
const ENV_VAR = /^env_var\(\s*(['"])(\w+)\1\s*(?:,\s*(['"])(.*?)\3\s*)?\)$/;

function fillText(text: string, where: string, env: Environment, errors: ProjectError[]): string {
  return text.replace(TAG, (tag, inside: string) => {
    const [, , name = "", , fallback] = ENV_VAR.exec(inside) ?? [];
    const value = env[name] ?? fallback;
    if (name === "") {
      errors.push(
        usageError(
          "PROFILES_TEMPLATE",
          `cannot read ${tag}`,
          where,
          [],
          "write {{ env_var('NAME', 'default') }}",
        ),
      );
    } else if (value === undefined) {
      errors.push(
        usageError(
          "ENV_VAR_MISSING",
          `environment variable ${name} is not set`,
          where,
          [],
          `set ${name}, or give env_var a default`,
        ),
      );
    }
    return value ?? "";
  });
}

function usageError(code: string, message: string, where: string, why: string[], hint: string): ProjectError {
  return new ProjectError(code, { message, where, why, hint, exitCode: EXIT.usage });
}
