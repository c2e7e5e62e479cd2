import { hash } from "node:crypto";
import type { RelationNode } from "../graph/nodes.ts";
import type { Literal } from "../templates/template.ts";

/** A generic test as dbt names it. */
export interface NamedTest {
  type: string;
  /** The package that it was named with: `dbt_utils`. */
  namespace: string | null;
  subject: RelationNode;
  /** Its arguments, the column's name among them. */
  args: Readonly<Record<string, Literal>>;
}

/** dbt's name for a generic test: test, model, arguments sorted by key, odd characters as underscores. */
export function genericTestName({ args, ...test }: NamedTest): string {
  const owner = `${beginning(test)}_${test.subject.name}`;
  const parts = Object.entries(args)
    .sort(byKey)
    .flatMap(([, value]) => (typeof value === "object" && value !== null ? Object.values(value) : [value]))
    .map((value) => pythonText(value).replace(/[^0-9a-zA-Z_]+/g, "_"));
  return `${owner}_${parts.join("__")}`;
}

function beginning({ type, namespace, subject }: Omit<NamedTest, "args">): string {
  const own = subject.kind === "source" ? `source_${type}_${subject.sourceName}` : type;
  return namespace === null ? own : `${namespace}_${own}`;
}

const MAX_ALIAS = 64;

/** The name that fits into an engine's table name. */
export function genericTestAlias(test: NamedTest, name = genericTestName(test)): string {
  if (name.length < MAX_ALIAS) return name;
  return `${`${beginning(test)}_${test.subject.name}`.slice(0, 30)}_${md5(name)}`;
}

/** The end of the id of a generic test: dbt hashes the name and Python's way to write the arguments. */
export function genericTestHash(name: string, { type, namespace, subject, args }: NamedTest): string {
  const kwargs = { ...args, model: `{{ get_where_subquery(${subjectReference(subject)}) }}` };
  return md5(`${name}${pythonRepr({ kwargs, name: type, namespace })}`).slice(-10);
}

/** The call that names what a test looks at. */
export function subjectReference(subject: RelationNode): string {
  if (subject.kind === "source") return `source('${subject.sourceName}', '${subject.name}')`;
  return `ref('${subject.name}')`;
}

function byKey([a]: [string, unknown], [b]: [string, unknown]): number {
  return a < b ? -1 : 1;
}

/** Python's `str()`. */
export function pythonText(value: Literal | undefined): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  return typeof value === "object" ? pythonRepr(value) : String(value);
}

/** Python's `repr()` of lists and of maps sorted by key, every scalar turned into text before. */
function pythonRepr(value: Literal | undefined): string {
  if (Array.isArray(value)) return `[${value.map(pythonRepr).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const items = Object.keys(value).sort();
    return `{${items.map((key) => `${quoted(key)}: ${pythonRepr(value[key])}`).join(", ")}}`;
  }
  return quoted(pythonText(value));
}

function quoted(text: string): string {
  if (!/[\\\n\r\t']/.test(text)) return `'${text}'`;
  const escaped = text
    .replaceAll("\\", "\\\\")
    .replaceAll("\n", "\\n")
    .replaceAll("\r", "\\r")
    .replaceAll("\t", "\\t");
  if (escaped.includes("'") && !escaped.includes('"')) return `"${escaped}"`;
  return `'${escaped.replaceAll("'", "\\'")}'`;
}

function md5(text: string): string {
  return hash("md5", text, "hex");
}
