import { readFileSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { environmentValue } from "./config.ts";
import type { Context } from "./context.ts";
import { EXIT, messageOf, ProjectError } from "./errors.ts";
import { MIN_SECRET_LENGTH } from "./secrets.ts";
import type { Secret } from "./sillon.ts";

/** What a secret's place is called in messages: never its value. */
export function secretName(place: Secret): string {
  if ("env" in place) return `environment variable ${place.env}`;
  return "file" in place ? `file ${place.file}` : "standard input";
}

/**
 * The secret in a place: the value of a variable, or the first line of a file or of standard input. It is masked
 * from now on. Throws SECRET_MISSING (exit 2).
 */
export function readSecret(ctx: Context, place: Secret): string {
  const value = textIn(ctx, place);
  if (value === "") throw missing(place, "holds no secret");
  if (ctx.secrets.add(value)) tellWeak(ctx, place, value);
  return value;
}

function textIn(ctx: Context, place: Secret): string {
  if ("env" in place) return environmentValue(ctx.env, place.env) ?? "";
  if ("stdin" in place) return firstLine(ctx.stdinLine());
  try {
    return firstLine(readFileSync(resolve(ctx.projectDir, place.file), "utf8"));
  } catch (error) {
    throw missing(place, "cannot be read", error);
  }
}

function firstLine(text: string): string {
  return /^\uFEFF?([^\r\n]*)/.exec(text)?.[1] ?? "";
}

const READABLE_BY_ALL = 0o004;

function tellWeak(ctx: Context, place: Secret, value: string): void {
  const name = secretName(place);
  if (value.length < MIN_SECRET_LENGTH) {
    const message = `${name}: a secret of fewer than ${MIN_SECRET_LENGTH} characters is not masked in texts`;
    ctx.log.warn("secret_short", message, { place: name });
  }
  if (!("file" in place)) return;
  const { mode } = statSync(resolve(ctx.projectDir, place.file));
  if ((mode & READABLE_BY_ALL) === 0) return;
  const message = `${name} can be read by every user of this machine; to fix: chmod 600 ${place.file}`;
  ctx.log.warn("secret_readable", message, { place: name });
}

function missing(place: Secret, what: string, cause?: unknown): ProjectError {
  const hint =
    "env" in place
      ? `set ${place.env} to the secret`
      : "file" in place
        ? `write the secret into the first line of ${place.file}, readable by you alone`
        : "give it on standard input, as in: run ingest < secret.txt";
  return new ProjectError("SECRET_MISSING", {
    message: `${secretName(place)} ${what}`,
    where: secretName(place),
    why: cause === undefined ? [] : [messageOf(cause)],
    hint,
    exitCode: EXIT.usage,
    cause,
  });
}
