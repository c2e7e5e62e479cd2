import type { Case } from "./case.ts";
import { killedWhileBuilding } from "./m01-killed.ts";
import { stoppedByTheUser } from "./m02-stopped.ts";
import { malformedYaml } from "./m04-yaml.ts";
import { malformedSql } from "./m05-sql.ts";
import { attacks } from "./m06-attacks.ts";

export const CASES: readonly Case[] = [
  killedWhileBuilding,
  stoppedByTheUser,
  malformedYaml,
  malformedSql,
  attacks,
];
