import {
  type FormerEntry,
  type FormerManifest,
  readFormerManifest,
  readFormerStatuses,
  readLoadTimes,
} from "../../artifacts/former-run.ts";
import type { FormerRun } from "./methods.ts";

type Entry = Readonly<Record<string, unknown>>;

/** The project as it is now, as entries of a manifest. */
export interface PresentState {
  nodes: ReadonlyMap<string, Entry>;
  macros: ReadonlyMap<string, Entry>;
}

/** Compares with the artifacts in `--state FOLDER`, each read when a criterion asks for it. */
export function openFormerRun(
  folder: string,
  present: { state: () => PresentState; target: string },
): FormerRun {
  const comparison = once(() => compareStates(present.state(), readFormerManifest(folder)));
  const statuses = once(() => readFormerStatuses(folder));
  const loads = once(() => ({ former: readLoadTimes(folder), now: readLoadTimes(present.target) }));
  return {
    statesOf: (id) => comparison().get(id) ?? new Set(),
    statusOf: (id) => statuses().get(id),
    isFresher: (id) => {
      const { former, now } = loads();
      return (now.get(id) ?? Number.NEGATIVE_INFINITY) > (former.get(id) ?? Number.NEGATIVE_INFINITY);
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: { value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

/** Of every node, the values of `state:` that hold. */
export function compareStates(present: PresentState, former: FormerManifest): Map<string, Set<string>> {
  const changedMacros = changedMacrosIn(present.macros, former.macros);
  return new Map(
    [...present.nodes].map(([id, entry]) => [id, statesOf(entry, former.nodes.get(id), changedMacros)]),
  );
}

type Compare = (now: Entry, then: FormerEntry) => boolean;

/** What may differ, and whether it does. */
const ASPECTS: Record<string, Compare> = {
  body: bodyDiffers,
  configs: configDiffers,
  relation: (now, then) => differs(placeOf(now), placeOf(then)),
  persisted_descriptions: (now, then) => differs(persistedOf(now), persistedOf(then)),
  contract: (now, then) => differs(contractOf(now), contractOf(then)),
};

function statesOf(
  now: Entry,
  then: FormerEntry | undefined,
  changedMacros: ReadonlySet<string>,
): Set<string> {
  if (then === undefined) {
    const isContract = (aspect: string) => aspect === "contract";
    const aspects = [...Object.keys(ASPECTS), "macros"].filter((aspect) => !isContract(aspect));
    return new Set(["new", "modified", ...aspects.map((aspect) => `modified.${aspect}`)]);
  }
  const changed = Object.entries(ASPECTS).flatMap(([aspect, compare]) =>
    compare(now, then) ? [aspect] : [],
  );
  if (macrosOf(now).some((id) => changedMacros.has(id))) changed.push("macros");
  const isModified = changed.length > 0 || differs(now.fqn, then.fqn);
  return new Set([
    "old",
    isModified ? "modified" : "unmodified",
    ...changed.map((aspect) => `modified.${aspect}`),
  ]);
}

/** Macros whose text differs, and those that call one of them. */
function changedMacrosIn(now: ReadonlyMap<string, Entry>, then: ReadonlyMap<string, string>): Set<string> {
  const changed = new Set(
    [...now].filter(([id, macro]) => then.get(id) !== macro.macro_sql).map(([id]) => id),
  );
  for (let count = -1; count !== changed.size; ) {
    count = changed.size;
    for (const [id, macro] of now) if (macrosOf(macro).some((used) => changed.has(used))) changed.add(id);
  }
  return changed;
}

function macrosOf(entry: Entry): string[] {
  const macros = mapOf(entry.depends_on).macros;
  return Array.isArray(macros) ? macros.map(String) : [];
}

/** Of a generic test the arguments. Else the text: dbt's checksum leaves out spaces around it. */
function bodyDiffers(now: Entry, then: FormerEntry): boolean {
  if (now.resource_type === "unit_test") return differs(claimOf(now), claimOf(then));
  if (now.test_metadata !== undefined) return differs(argumentsOf(now), argumentsOf(then));
  const [here, there] = [mapOf(now.checksum).checksum, mapOf(then.checksum).checksum];
  if (here !== undefined && here === there) return false;
  const [ours, theirs] = [String(now.raw_code ?? "").trim(), String(then.raw_code ?? "").trim()];
  return ours === "" ? here !== there : ours !== theirs;
}

/** What a unit test says, without what is absent. */
function claimOf({ model, given, expect, overrides }: Entry): unknown {
  const prune = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(prune);
    if (typeof value !== "object" || value === null) return value;
    const kept = Object.entries(value).filter(([key, part]) => key === "rows" || !isEmpty(part));
    return Object.fromEntries(kept.map(([key, part]) => [key, key === "rows" ? part : prune(part)]));
  };
  return prune({ model, given, expect, overrides });
}

/** dbt has the node that the test is attached to among them. */
function argumentsOf(entry: Entry): Entry {
  const { model, ...own } = mapOf(mapOf(entry.test_metadata).kwargs);
  return own;
}

/** Settings that dbt writes although nobody gave them. */
const DBT_DEFAULTS: Record<string, unknown> = {
  access: "protected",
  docs: { show: true, node_color: null },
  lookback: 1,
  on_configuration_change: "apply",
  on_schema_change: "ignore",
};

/** Where a table lies is an aspect of its own; a target's database and schema are not settings of the node. */
const NO_SETTINGS = ["schema", "alias", "database"];

function configDiffers(now: Entry, then: FormerEntry): boolean {
  const [ours, theirs] = [mapOf(now.config), mapOf(then.config)];
  const keys = new Set([...Object.keys(ours), ...Object.keys(theirs)]);
  return [...keys].some((key) => {
    if (NO_SETTINGS.includes(key)) return false;
    const [here, there] = [settingOf(key, ours[key]), settingOf(key, theirs[key])];
    return differs(here, there);
  });
}

/** A setting that says nothing is as good as one that is absent: settings join from release to release. */
function settingOf(key: string, value: unknown): unknown {
  if (isEmpty(value) || (key in DBT_DEFAULTS && !differs(value, DBT_DEFAULTS[key]))) return undefined;
  if (key === "contract") return mapOf(value).enforced || undefined;
  if (!Array.isArray(value)) return value;
  if (key === "tags") return value.toSorted();
  return value.length === 1 ? value[0] : value; // dbt keeps a lone name as a text
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === "") return true;
  return typeof value === "object" && Object.values(value).every(isEmpty);
}

/** What the author says of where it lies: the name of the relation differs from target to target. */
function placeOf(entry: Entry): unknown {
  if (entry.resource_type === "test") return null;
  if (entry.resource_type === "source") return [entry.schema, entry.identifier];
  const config = mapOf(entry.config);
  return NO_SETTINGS.map((key) => config[key] ?? null);
}

/** The descriptions that `persist_docs` writes into the warehouse. */
function persistedOf(entry: Entry): unknown {
  const persisted = mapOf(mapOf(entry.config).persist_docs);
  const columns = Object.values(mapOf(entry.columns)).map((column) => [
    mapOf(column).name,
    mapOf(column).description,
  ]);
  return [persisted.relation ? entry.description : null, persisted.columns ? columns : null];
}

/** Names and types of the columns that an enforced contract promises. */
function contractOf(entry: Entry): unknown {
  const contract = mapOf(mapOf(entry.config).contract ?? entry.contract);
  if (!contract.enforced) return null;
  return Object.values(mapOf(entry.columns)).map((column) => {
    const { name, data_type, constraints } = mapOf(column);
    return [name, data_type, constraints];
  });
}

function mapOf(value: unknown): Entry {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Entry) : {};
}

function differs(a: unknown, b: unknown): boolean {
  return canonical(a) !== canonical(b);
}

/** Text that does not depend on the order of keys. */
function canonical(value: unknown): string {
  return (
    JSON.stringify(value, (_, inner) =>
      typeof inner === "object" && inner !== null && !Array.isArray(inner)
        ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
        : inner,
    ) ?? "absent"
  );
}
