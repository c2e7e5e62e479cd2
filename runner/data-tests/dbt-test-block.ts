const OPENING = /\{%-?\s*test\s+(\w+)\s*\(([^)]*)\)\s*-?%\}/;
const ENDING = /\{%-?\s*endtest\s*-?%\}/;
const ARGUMENT = /(\w+)(?:\s*=\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[^,\s]+))?/g;

/**
 * dbt's frame of a generic test, `{% test name(model, column_name, other=10) %} … {% endtest %}`, said our way:
 * its arguments as `{{ arguments(…) }}`, each line where it was.
 */
export function fromDbtTest(source: string): { name: string | null; source: string } {
  const [opening = "", name = null, list = ""] = OPENING.exec(source) ?? [];
  if (name === null || !ENDING.test(source)) return { name: null, source };
  const own = [...list.matchAll(ARGUMENT)].filter(([, key = ""]) => !["model", "column_name"].includes(key));
  const said = own.map(([, key, value]) => (value === undefined ? `'${key}'` : `${key}=${value}`));
  const call = said.length === 0 ? "" : `{{ arguments(${said.join(", ")}) }}`;
  const lineEnds = opening.replace(/[^\n]/g, "");
  return {
    name,
    source: source
      .replace(opening, () => `${lineEnds}${call}`.padEnd(opening.length))
      .replace(ENDING, (ending) => " ".repeat(ending.length)),
  };
}
