import { hash } from "node:crypto";
import { readFileSync, renameSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { packageRoot } from "../../core/config.ts";
import { makeFolder } from "../../core/durable.ts";
import { type ParsedYaml, parseYaml, type YamlFile } from "../../core/yaml.ts";
import { type ParsedTemplate, parseAllOf, simpleTemplate, type Template } from "../templates/template.ts";
import type { Properties } from "./properties.ts";

/**
 * Parses files, reusing what an earlier command found in the same text at the same path. Only what follows from
 * path and text alone is kept: never what variables, the environment, macros or a profile make of it.
 */
export interface ParseCache {
  yaml(path: string, text: string): YamlFile;
  /** With its `mistakes`, where it has any that do not hide others. */
  template(path: string, text: string): Template;
  /** What `keepProperties` was given for this text. */
  properties(path: string, text: string): Properties | undefined;
  /** To be given only what follows from the text, and is not changed any more. */
  keepProperties(path: string, text: string, properties: Properties): void;
  /** Keeps what was parsed for later commands. A folder that cannot be written to is no mistake. */
  save(): void;
}

interface Entry {
  hash: string;
  yaml?: ParsedYaml;
  template?: ParsedTemplate;
  properties?: Properties;
}

/** The cache in `file`; an empty one when it is absent, damaged, or of another build of this program. */
export function openParseCache(file: string): ParseCache {
  const stamp = programStamp();
  const former = readEntries(file, stamp);
  const entries = new Map<string, Entry>();
  let isChanged = false;
  const find = (path: string, text: string): Entry => {
    const hash = hashOf(text);
    const present = entries.get(path);
    if (present?.hash === hash) return present;
    const known = former[path];
    const entry = known?.hash === hash ? known : { hash };
    if (entry !== known) isChanged = true;
    entries.set(path, entry);
    return entry;
  };
  return {
    yaml: (path, text) => {
      const entry = find(path, text);
      return parseYaml(path, text, {
        former: entry.yaml,
        onParsed: (parsed) => {
          isChanged = true;
          entry.yaml = parsed;
        },
      });
    },
    template: (path, text) => {
      const entry = find(path, text);
      if (entry.template !== undefined) return simpleTemplate(path, text, entry.template);
      const template = parseAllOf(path, text);
      const { uses, parts } = template;
      if (parts !== undefined) entry.template = { uses, parts };
      return template;
    },
    properties: (path, text) => find(path, text).properties,
    keepProperties: (path, text, properties) => {
      const entry = find(path, text);
      // What is parsed anew each time is checked anew.
      if (entry.yaml === undefined) return;
      isChanged = true;
      entry.properties = properties;
    },
    save: () => {
      if (!isChanged && entries.size === Object.keys(former).length) return;
      writeEntries(file, stamp, Object.fromEntries(entries));
    },
  };
}

/** Another release, or another build of this one, may parse differently. */
function programStamp(): string {
  const { version }: { version?: unknown } = JSON.parse(
    readFileSync(join(packageRoot(), "package.json"), "utf8"),
  );
  const { mtimeMs, size } = statSync(fileURLToPath(import.meta.url));
  return `sillon-parse-1 ${version} ${mtimeMs} ${size}`;
}

/** The first line says by whom the rest was written, and its hash. */
function readEntries(file: string, stamp: string): Record<string, Entry> {
  try {
    const text = readFileSync(file, "utf8");
    const end = text.indexOf("\n");
    const body = text.slice(end + 1);
    if (text.slice(0, end) !== `${stamp} ${hashOf(body)}`) return {};
    return Object.assign(Object.create(null), JSON.parse(body));
  } catch {
    return {};
  }
}

function writeEntries(file: string, stamp: string, entries: Record<string, Entry>): void {
  const body = JSON.stringify(entries);
  const unfinished = `${file}.${process.pid}.tmp`;
  try {
    makeFolder(dirname(file));
    writeFileSync(unfinished, `${stamp} ${hashOf(body)}\n${body}`);
    renameSync(unfinished, file);
  } catch {
    // Without it the next command is slower, and no worse.
  }
}

function hashOf(text: string): string {
  return hash("sha256", text, "hex");
}
