import { join } from "node:path";
import type { Context } from "../../core/context.ts";
import { type ColumnType, type Relation, type Session, SqlError } from "../../engines/engine.ts";
import { seedError } from "../build/seeds.ts";
import { META_COLUMNS } from "../build/snapshot-sql.ts";
import { type CompileScope, compileNodes } from "../graph/compile.ts";
import type { Column, ModelNode, SeedNode, SnapshotNode } from "../graph/nodes.ts";
import { copyOf, relationNode } from "./copies.ts";

export interface KnownColumns {
  /** The type is null where it cannot be known without the warehouse. */
  columns: {
    name: string;
    type: string | null;
    /** A type that the reader's SQL takes, for a column that is null in all rows. */
    fits?: string;
  }[];
  /** Whether the relation may have more. */
  isOpen: boolean;
}

/** Schema of the rows of seeds. */
export const BOUND_SCHEMA = "columns_of";
/** A column that stands for those that are not known: it shows where a `*` took them along. */
const OTHERS = "__other_columns";
/** A type that a query yields whichever of these stands for an unknown one is the real table's, too. */
const STAND_INS = ["VARCHAR", "BIGINT", "TIMESTAMP", "DOUBLE"];
const MAX_UNDECLARED = 100;

/**
 * Columns of relations as far as the project itself tells: `data_type` of YAML, the rows of seeds, and what the
 * engine says of the models' SQL. Each is worked out once.
 */
export class ColumnCatalog {
  private readonly known = new Map<string, Promise<KnownColumns>>();
  /** Columns that nobody declared and models read, with a type that fits: by relation. */
  private readonly read = new Map<string, Map<string, string>>();

  constructor(
    private readonly ctx: Context,
    private readonly scope: CompileScope,
    private readonly session: Session,
  ) {}

  /** Throws what is wrong with a seed's file. */
  of(id: string): Promise<KnownColumns> {
    const found = this.known.get(id) ?? this.find(id);
    this.known.set(id, found);
    return found;
  }

  /** The columns of a relation that a model reads, those that nobody declared among them. */
  async readBy(model: string, id: string): Promise<KnownColumns> {
    const known = await this.of(id);
    if (!known.isOpen || model === id) return known;
    await this.of(model);
    const names = new Set(known.columns.map(({ name }) => name.toLowerCase()));
    const more = [...(this.read.get(id) ?? [])].filter(([name]) => !names.has(name.toLowerCase()));
    return {
      columns: [...known.columns, ...more.map(([name, fits]) => ({ name, type: null, fits }))],
      isOpen: true,
    };
  }

  /** Where the rows of a seed's file lie, once `of` it has been asked. */
  seedRelation(id: string): Relation {
    return { schema: BOUND_SCHEMA, name: id };
  }

  private async find(id: string): Promise<KnownColumns> {
    const node = relationNode(this.scope.graph, id);
    const isComplete = node.kind === "model" && node.config.contract.enforced;
    if (isComplete) return withDeclared([], node.columns, false);
    if (node.kind === "source") return withDeclared([], node.columns, true);
    if (node.kind === "seed") return withDeclared(await this.seedColumns(node), node.columns, false);
    if (node.kind === "snapshot") return this.snapshotColumns(node);
    const bound = await this.bindModel(node);
    return bound === undefined
      ? withDeclared([], node.columns, true)
      : withDeclared(bound.columns, node.columns, bound.isOpen);
  }

  private async seedColumns(node: SeedNode): Promise<ColumnType[]> {
    const { delimiter, column_types: types } = node.config;
    const relation = this.seedRelation(node.id);
    try {
      const path = join(this.ctx.projectDir, node.file);
      await this.session.replaceTableFromCsv(relation, { path, delimiter, types });
    } catch (error) {
      throw seedError(error, node);
    }
    return this.session.columnsOf(relation);
  }

  private async snapshotColumns({ dependsOn, config, columns }: SnapshotNode): Promise<KnownColumns> {
    const source = await this.of(dependsOn[0] ?? "");
    const names = { ...META_COLUMNS, ...config.snapshot_meta_column_names };
    const updatedAt = source.columns.find(({ name }) => name === config.updated_at);
    const time = config.updated_at === null ? "TIMESTAMP" : (updatedAt?.type ?? null);
    const meta = [
      { name: names.dbt_scd_id, type: "VARCHAR" },
      ...[names.dbt_updated_at, names.dbt_valid_from, names.dbt_valid_to].map((name) => ({
        name,
        type: time,
      })),
      ...(config.hard_deletes === "new_record" ? [{ name: names.dbt_is_deleted, type: "VARCHAR" }] : []),
    ];
    return withDeclared([...source.columns, ...meta], columns, source.isOpen);
  }

  /** Undefined when the engine cannot tell. */
  private async bindModel(node: ModelNode): Promise<KnownColumns | undefined> {
    const parents = new Map<string, KnownColumns>();
    for (const id of node.dependsOn.filter((parent) => parent !== node.id))
      parents.set(id, await this.of(id));
    const binding: Binding = { sql: this.compile(node), parents, undeclared: [], standIns: new Map() };
    const base = await this.firstBinding(binding);
    if (base === undefined) return undefined;
    for (const { parent, name } of binding.undeclared) {
      const columns = this.read.get(parent) ?? new Map<string, string>();
      this.read.set(parent, columns.set(name, base.standIn));
    }
    const unsure = new Set<number>();
    for (const column of unknownColumns(binding)) {
      const former = binding.standIns.get(column) ?? base.standIn;
      for (const type of STAND_INS.filter((one) => one !== former)) {
        binding.standIns.set(column, type);
        const columns = await this.bindOnce(binding, base.standIn);
        if (columns === undefined) continue;
        for (const [index, { type: was }] of base.columns.entries())
          if (columns[index]?.type !== was) unsure.add(index);
        break;
      }
      binding.standIns.set(column, former);
    }
    const columns = base.columns.map(({ name, type }, index) => ({
      name,
      type: unsure.has(index) ? null : type,
    }));
    return {
      columns: columns.filter(({ name }) => !name.startsWith(OTHERS)),
      isOpen: columns.some(({ name }) => name.startsWith(OTHERS)),
    };
  }

  /** With the first type that may stand for all of the unknown ones. */
  private async firstBinding(
    binding: Binding,
  ): Promise<{ standIn: string; columns: ColumnType[] } | undefined> {
    for (const standIn of STAND_INS) {
      const columns = await this.bindOnce(binding, standIn);
      if (columns !== undefined) return { standIn, columns };
    }
    return undefined;
  }

  private compile(node: ModelNode): string {
    const { graph } = this.scope;
    const parents = node.dependsOn
      .filter((id) => id !== node.id)
      .map((id) => copyOf(relationNode(graph, id), { schema: BOUND_SCHEMA, name: id }));
    const config = { ...node.config, materialized: "table" as const };
    const bound = { ...node, config, hooks: { pre: [], post: [] } };
    const nodes = new Map([bound, ...parents].map((one) => [one.id, one]));
    const { dialect } = this.scope;
    // What is bound stands in CTEs, named after the ids of what they stand for; seeds are tables.
    const nameOf = (relation: Relation) =>
      relation.name.startsWith("seed.") ? dialect.nameOf(relation) : dialect.quote(relation.name);
    const scope = { ...this.scope, dialect: { ...dialect, nameOf }, graph: { ...graph, nodes } };
    return compileNodes(this.ctx, scope, [bound]).get(node.id)?.sql ?? "";
  }

  /** Columns that nobody declared are added to `undeclared` as the engine asks for them. */
  private async bindOnce(binding: Binding, standIn: string): Promise<ColumnType[] | undefined> {
    const { parents, undeclared } = binding;
    const open = [...parents].filter(([, { isOpen }]) => isOpen).map(([id]) => id);
    for (;;) {
      try {
        return await this.session.columnsOfQuery(this.boundQuery(binding, standIn));
      } catch (error) {
        if (!(error instanceof SqlError)) throw error;
        const missing = missingColumn(error);
        const [parent] = open;
        if (missing === undefined || parent === undefined || open.length > 1) return undefined;
        if (undeclared.some(({ name }) => name === missing) || undeclared.length === MAX_UNDECLARED)
          return undefined;
        undeclared.push({ parent, name: missing });
      }
    }
  }

  private boundQuery(binding: Binding, standIn: string): string {
    const parts = [...binding.parents.keys()]
      .filter((id) => relationNode(this.scope.graph, id).kind !== "seed")
      .map((id) => `${this.scope.dialect.quote(id)} as (${this.emptyQuery(binding, id, standIn)})`);
    const head = parts.length === 0 ? "" : `with ${parts.join(", ")} `;
    return `${head}select * from (\n${binding.sql}\n) as bound`;
  }

  private emptyQuery({ parents, undeclared, standIns }: Binding, id: string, standIn: string): string {
    const { columns = [], isOpen = true } = parents.get(id) ?? {};
    const more = undeclared.filter(({ parent }) => parent === id);
    const all = [
      ...columns,
      ...more.map(({ name }) => ({ name, type: null })),
      ...(isOpen || columns.length === 0 ? [{ name: OTHERS, type: null }] : []),
    ];
    const list = all.map(({ name, type }) => {
      const unknown = standIns.get(keyOf(id, name)) ?? standIn;
      return `cast(null as ${type ?? unknown}) as ${this.scope.dialect.quote(name)}`;
    });
    return `select ${list.join(", ")} where false`;
  }
}

/** A model's SQL over empty relations. */
interface Binding {
  sql: string;
  parents: ReadonlyMap<string, KnownColumns>;
  /** Columns that the SQL reads and nobody declared. */
  undeclared: { parent: string; name: string }[];
  /** The types that stand for unknown ones, by `keyOf`; the others have a common one. */
  standIns: Map<string, string>;
}

function unknownColumns({ parents, undeclared }: Binding): string[] {
  const declared = [...parents].flatMap(([id, { columns }]) =>
    columns.flatMap(({ name, type }) => (type === null ? [keyOf(id, name)] : [])),
  );
  return [...declared, ...undeclared.map(({ parent, name }) => keyOf(parent, name))];
}

function keyOf(id: string, column: string): string {
  return `${id} ${column.toLowerCase()}`;
}

/** The column that the engine does not find. */
function missingColumn({ message }: SqlError): string | undefined {
  const forms = [
    /Referenced column "([^"]+)" not found/,
    /does not have a column named "([^"]+)"/,
    /Column "([^"]+)" referenced that exists in the SELECT clause/,
  ];
  return forms.map((form) => form.exec(message)?.[1]).find((name) => name !== undefined);
}

function withDeclared(
  found: KnownColumns["columns"],
  declared: readonly Column[],
  isOpen: boolean,
): KnownColumns {
  const types = new Map(declared.map(({ name, dataType }) => [name.toLowerCase(), dataType]));
  const names = new Set(found.map(({ name }) => name.toLowerCase()));
  const more = found.length === 0 ? declared.filter(({ name }) => !names.has(name.toLowerCase())) : [];
  return {
    columns: [
      ...found.map(({ name, type }) => ({ name, type: types.get(name.toLowerCase()) ?? type })),
      ...more.map(({ name, dataType }) => ({ name, type: dataType })),
    ],
    isOpen,
  };
}
