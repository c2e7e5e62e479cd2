import { environmentValue } from "../../core/config.ts";
import type { Environment } from "../../core/context.ts";
import { maskUrl } from "../../core/secrets.ts";
import type { SourceDefinition, StreamDefinition } from "../../core/sillon.ts";
import type { CatalogRelation } from "../../engines/engine.ts";
import type { Owner } from "../incidents/lineage.ts";
import { type Dataset, type Facets, facet } from "./event.ts";
import type { ManifestNode } from "./manifest.ts";

/** The warehouse as other tools name it. */
export interface Warehouse {
  /** The file, as profiles.yml has it. */
  path: string;
  /** The name of its database. */
  database: string;
  /** By `database.schema.name`. */
  relations: ReadonlyMap<string, CatalogRelation>;
}

/** As dbt-ol names a DuckDB file, so that both speak of the same tables. */
export function namespaceOf({ path }: Pick<Warehouse, "path">): string {
  return `duckdb://${path}`;
}

/** `database.schema.table`. */
export function tableName(
  { database }: Pick<Warehouse, "database">,
  relation: { database?: string | null | undefined; schema: string; name: string },
): string {
  return [relation.database ?? database, relation.schema, relation.name].join(".");
}

/** The table of a node of the manifest. */
export function datasetOf(warehouse: Warehouse, node: ManifestNode, owners: readonly Owner[] = []): Dataset {
  const { schema, alias, identifier, name, description, columns } = node;
  const table = { database: node.database, schema: schema ?? "", name: identifier ?? alias ?? name };
  return {
    ...tableDataset(warehouse, table, columns),
    facets: {
      ...tableDataset(warehouse, table, columns).facets,
      ...(description === "" ? {} : { documentation: facet("datasetDocumentation", { description }) }),
      ...(owners.length === 0 ? {} : { ownership: facet("datasetOwnership", { owners: ownersOf(owners) }) }),
    },
  };
}

export function ownersOf(owners: readonly Owner[]): { name: string; type: string }[] {
  return owners.map(({ name }) => ({ name, type: "OWNER" }));
}

/** A table or view of the warehouse, with the columns that it has, described where the project describes them. */
export function tableDataset(
  warehouse: Warehouse,
  table: { database?: string | null | undefined; schema: string; name: string },
  described: ManifestNode["columns"] = {},
): Dataset {
  const name = tableName(warehouse, table);
  const namespace = namespaceOf(warehouse);
  const known = warehouse.relations.get(name)?.columns;
  const columns = known ?? Object.values(described).map((one) => ({ ...one, type: one.data_type }));
  const fields = columns.map((column, index) => ({
    name: column.name,
    ...(column.type == null ? {} : { type: column.type }),
    ...textOf(described[column.name]?.description),
    ordinal_position: index + 1,
  }));
  const facets: Facets = { dataSource: facet("dataSource", { name: namespace, uri: namespace }) };
  if (fields.length > 0) facets.schema = facet("schema", { fields });
  return { namespace, name, facets };
}

function textOf(description = ""): { description?: string } {
  return description === "" ? {} : { description };
}

interface Origin {
  env: Environment;
  source: SourceDefinition;
  stream: StreamDefinition;
}

/** Where a stream comes from, credentials left out: the namespace is the service, the name is the list in it. */
export function originOf({ env, source, stream }: Origin): Dataset {
  const { namespace, name } = placeOf(env, source, stream);
  return {
    namespace,
    name,
    facets: { dataSource: facet("dataSource", { name: source.name, uri: namespace }) },
  };
}

function placeOf(
  env: Environment,
  source: SourceDefinition,
  stream: StreamDefinition,
): Pick<Dataset, "namespace" | "name"> {
  if (source.type === "files") {
    const path = "path" in stream ? String(stream.path) : stream.name;
    const url = /^https?:/.test(path) && URL.canParse(path) ? new URL(path) : undefined;
    return url === undefined
      ? { namespace: "file", name: path }
      : { namespace: url.origin, name: url.pathname };
  }
  if ("connection" in source) {
    const text = environmentValue(env, source.connection.env) ?? source.connection.default ?? "";
    const table = "table" in stream ? String(stream.table ?? stream.name) : stream.name;
    if (source.type === "sqlite") return { namespace: "file", name: `${text}/${table}` };
    const url = URL.canParse(text) ? new URL(text) : undefined;
    const full = table.includes(".") ? table : `public.${table}`;
    const host = `${url?.hostname ?? "localhost"}:${url?.port || 5432}`;
    return { namespace: `postgres://${host}`, name: `${url?.pathname.slice(1) ?? ""}.${full}` };
  }
  const text = environmentValue(env, source.baseUrl.env) ?? source.baseUrl.default ?? "";
  const path = "path" in stream ? String(stream.path) : `/${stream.name}`;
  if (!URL.canParse(text)) return { namespace: source.name, name: path };
  const url = new URL(maskUrl(text));
  return { namespace: url.origin, name: `${url.pathname.replace(/\/$/, "")}/${path.replace(/^\//, "")}` };
}
