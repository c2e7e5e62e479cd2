import { EXIT, ProjectError } from "../../core/errors.ts";
import type { Mistakes } from "../project/collect.ts";
import type { ReferableNode, SourceNode } from "./nodes.ts";

/** `main.main` can be called `main`: both meanings are one. */
const DEFAULT_SCHEMA = "main";

/** Adds a mistake (SCHEMA_NAME) for a schema that has the warehouse's own name: `"dev"."orders"` has two meanings. */
export function checkSchemaNames(
  nodes: readonly (ReferableNode | SourceNode)[],
  { database, mistakes }: { database: string | undefined; mistakes: Mistakes },
): void {
  if (database?.toLowerCase() === DEFAULT_SCHEMA) return;
  const isAmbiguous = ({ relation }: ReferableNode | SourceNode) =>
    relation.database === undefined && relation.schema.toLowerCase() === database?.toLowerCase();
  const [first, ...others] = nodes.filter(isAmbiguous);
  if (first === undefined) return;
  const { schema, name } = first.relation;
  mistakes.add(
    new ProjectError("SCHEMA_NAME", {
      message: `the schema "${schema}" has the name of the database: "${schema}"."${name}" could be either`,
      where: `${first.file}:1:1`,
      why: [
        "DuckDB names a database after its file",
        ...(others.length === 0 ? [] : [`${others.length + 1} nodes are in this schema`]),
      ],
      hint: "give the file of path: in profiles.yml another name, or the schema",
      exitCode: EXIT.usage,
    }),
  );
}
