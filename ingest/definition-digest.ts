import { hash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { packageRoot } from "../core/config.ts";
import type { SourceDefinition, StreamDefinition } from "../core/sillon.ts";

/**
 * What all source files of the project say, those that they import, and this package's version. Null when there are
 * none, and when they may say something else at another time: they use the clock, the process or more than `sillon`,
 * `zod` and their own folder.
 */
export function codeDigest(projectDir: string): string | null {
  const folder = join(projectDir, "ingest");
  const sources = join(folder, "sources");
  const waiting = existsSync(sources) ? readdirSync(sources).map((name) => join(sources, name)) : [];
  const texts = new Map<string, string>();
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (!path.endsWith(".ts") || texts.has(path)) continue;
    const text = readFileSync(path, "utf8");
    texts.set(path, text);
    if (IMPURE.test(text)) return null;
    for (const [, name = ""] of text.matchAll(IMPORT)) {
      if (name === "sillon" || name === "zod") continue;
      const file = name.startsWith(".") ? resolve(dirname(path), name) : "";
      if (!file.startsWith(folder + sep) || !file.endsWith(".ts") || !existsSync(file)) return null;
      waiting.push(file);
    }
  }
  if (texts.size === 0) return null;
  const all = [...texts].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, text]) => text);
  return hash("sha256", JSON.stringify([readFileSync(join(packageRoot(), "package.json"), "utf8"), ...all]));
}

const IMPURE =
  /\b(Date|process|performance|globalThis|Intl|random|require|createRequire|fetch|eval|Function)\b|import\s*[(.]/;
const IMPORT = /\b(?:from|import)\s*["']([^"']+)["']/g;

/** What a load of a stream depends on besides the answers of its service. */
export function definitionDigest(code: string, source: SourceDefinition, stream: StreamDefinition): string {
  const { streams: _, ...common } = source;
  return hash("sha256", `${code} ${described([common, stream], new Map())}`);
}

/** The text of a definition with that of its functions; what is there twice is named the second time. */
function described(value: unknown, seen: Map<object, number>): string {
  if (typeof value === "function") return JSON.stringify(String(value));
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "undefined";
  const known = seen.get(value);
  if (known !== undefined) return `#${known}`;
  seen.set(value, seen.size);
  if (value instanceof RegExp || value instanceof Date) return String(value);
  const content: object = isSchema(value) ? value._zod.def : value;
  const entries =
    content instanceof Map || content instanceof Set ? [...content].entries() : Object.entries(content);
  return `{${[...entries].map(([name, one]) => `${name}:${described(one, seen)}`).join(",")}}`;
}

function isSchema(value: object): value is { _zod: { def: object } } {
  return "_zod" in value;
}
