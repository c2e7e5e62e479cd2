import { parse } from "yaml";
import type { YamlFile } from "../../core/yaml.ts";
import type { Mistakes } from "../project/collect.ts";
import { parseTemplate, type TemplateContext } from "./template.ts";

/** Texts that are rendered later, or never: by tests, hooks, freshness and documentation. */
const LEFT_ALONE = new Set([
  ...["description", "tests", "data_tests", "unit_tests", "depends_on", "meta", "vars", "macros"],
  ...["pre-hook", "post-hook", "pre_hook", "post_hook", "on-run-start", "on-run-end"],
  ...["loaded_at_field", "loaded_at_query", "filter", "expression", "relation", "snapshots"],
]);

/** The value with the calls in its texts filled in, as in `schema: "{{ var('raw') }}"`. */
export function renderCalls(
  value: unknown,
  at: { file: YamlFile; path: PropertyKey[] },
  given: { context: TemplateContext; mistakes: Mistakes },
): unknown {
  if (typeof value === "string") {
    if (!value.includes("{{")) return value;
    const where = at.file.locate(at.path);
    return given.mistakes.attempt(() => renderText(value, where, given.context)) ?? value;
  }
  if (Array.isArray(value))
    return value.map((item, index) => renderCalls(item, { ...at, path: [...at.path, index] }, given));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, part]) => [
      key,
      LEFT_ALONE.has(key.replace(/^\+/, ""))
        ? part
        : renderCalls(part, { ...at, path: [...at.path, key] }, given),
    ]),
  );
}

/** A text that is one call becomes what the call yields: a number, true or false. */
export function renderText(text: string, where: string, context: TemplateContext): unknown {
  const rendered = parseTemplate(where.replace(/:\d+:\d+$/, ""), text).render(context).text;
  return /^\s*\{\{[^{}]*\}\}\s*$/.test(text) ? parse(rendered) : rendered;
}
