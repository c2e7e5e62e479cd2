import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";

export interface Owner {
  name: string;
  email: string | null;
}

/** What depends on what, as the newest manifest says. */
export interface Lineage {
  /** Whether the project has such a node; null when there is no manifest to say so. */
  has(id: string): boolean | null;
  /** The id of a stream, `source.stream`, or of a model, by its name; null when the manifest knows none. */
  idOf(name: string): string | null;
  nameOf(id: string): string;
  ancestorsOf(id: string): ReadonlySet<string>;
  /** Names of the models and exposures that depend on it, in order. */
  affectedBy(id: string): string[];
  /** From `meta.owner` of the node and of what it is a test of, or from its group. */
  ownersOf(id: string): Owner[];
}

const meta = z.record(z.string(), z.unknown()).catch({});
const nodeSchema = z.looseObject({
  unique_id: z.string(),
  name: z.string().default(""),
  source_name: z.string().optional(),
  meta,
  config: z.looseObject({ meta, group: z.string().nullish() }).catch({ meta: {} }),
  group: z.string().nullish(),
});
const manifestSchema = z.object({
  nodes: z.record(z.string(), nodeSchema).catch({}),
  sources: z.record(z.string(), nodeSchema).catch({}),
  exposures: z.record(z.string(), nodeSchema).catch({}),
  groups: z
    .record(
      z.string(),
      z.looseObject({ name: z.string(), owner: z.record(z.string(), z.unknown()).catch({}) }),
    )
    .catch({}),
  parent_map: z.record(z.string(), z.array(z.string())).catch({}),
});

/** The lineage of target/manifest.json; without a readable one nothing depends on anything. */
export function readLineage(target: string): Lineage {
  return lineageOf(manifestSchema.parse(readJson(join(target, "manifest.json"))));
}

/** The same, read when it is asked for the first time: most runs that are well ask nothing. */
export function lineageWhenAsked(target: string): Lineage {
  let read: Lineage | undefined;
  const lineage = () => (read ??= readLineage(target));
  return {
    has: (id) => lineage().has(id),
    idOf: (name) => lineage().idOf(name),
    nameOf: (id) => lineage().nameOf(id),
    ancestorsOf: (id) => lineage().ancestorsOf(id),
    affectedBy: (id) => lineage().affectedBy(id),
    ownersOf: (id) => lineage().ownersOf(id),
  };
}

function readJson(file: string): unknown {
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, "utf8")) ?? {};
  } catch {
    return {}; // A command was killed while it wrote it: alerts go out all the same.
  }
}

function lineageOf({
  nodes,
  sources,
  exposures,
  groups,
  parent_map,
}: z.output<typeof manifestSchema>): Lineage {
  const all = new Map(Object.entries({ ...nodes, ...sources, ...exposures }));
  const ids = new Map<string, string>();
  for (const [id, node] of all) {
    ids.set(id, id);
    if (node.source_name !== undefined) ids.set(`${node.source_name}.${node.name}`, id);
    else if (!ids.has(node.name)) ids.set(node.name, id);
  }
  const children = new Map<string, string[]>();
  for (const [id, parents] of Object.entries(parent_map))
    for (const parent of parents) children.set(parent, [...(children.get(parent) ?? []), id]);
  const nameOf = (id: string) => {
    const node = all.get(id);
    if (node === undefined) return id;
    return node.source_name === undefined ? node.name : `${node.source_name}.${node.name}`;
  };
  return {
    has: (id) => (Object.keys(nodes).length === 0 ? null : all.has(id)),
    idOf: (name) => ids.get(name) ?? null,
    nameOf,
    ancestorsOf: (id) => reach(id, (one) => parent_map[one] ?? []),
    affectedBy: (id) =>
      [...reach(id, (one) => children.get(one) ?? [])]
        .filter((one) => /^(model|snapshot|exposure)\./.test(one))
        .map(nameOf)
        .sort(),
    ownersOf: (id) => {
      const near = id.startsWith("test.") ? [id, ...(parent_map[id] ?? [])] : [id];
      const owners = near.flatMap((one) => {
        const node = all.get(one);
        if (node === undefined) return [];
        const own = { ...node.meta, ...node.config.meta }.owner;
        const groupName = node.group ?? node.config.group;
        const group = Object.values(groups).find(({ name }) => name === groupName);
        return own === undefined ? ownerIn(group?.owner) : ownerIn(own);
      });
      return [...new Map(owners.map((owner) => [owner.name, owner])).values()];
    },
  };
}

const ADDRESS = /^[^\s@]+@[^\s@]+$/;

/** An owner as people write one: a name or an address, a map with both, or a list of these. */
function ownerIn(value: unknown): Owner[] {
  if (Array.isArray(value)) return value.flatMap(ownerIn);
  if (typeof value === "string" && value !== "")
    return [{ name: value, email: ADDRESS.test(value) ? value : null }];
  if (typeof value !== "object" || value === null) return [];
  const { name, email } = value as { name?: unknown; email?: unknown }; // looked at below
  const address = [email].flat().find((one) => typeof one === "string" && ADDRESS.test(one));
  const shown = typeof name === "string" && name !== "" ? name : address;
  return typeof shown === "string"
    ? [{ name: shown, email: typeof address === "string" ? address : null }]
    : [];
}

function reach(id: string, next: (id: string) => readonly string[]): Set<string> {
  const found = new Set<string>();
  const open = [...next(id)];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    if (found.has(one) || one === id) continue;
    found.add(one);
    open.push(...next(one));
  }
  return found;
}
