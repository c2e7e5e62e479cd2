import type { Case } from "./case.ts";
import { killedFullLoad } from "./i01-killed-full.ts";
import { killedIncrementalLoad } from "./i02-killed-incremental.ts";
import { tiesOfTheCursor } from "./i09-ties.ts";
import { absurdCursor } from "./i10-absurd-cursor.ts";
import { killedWhileBuilding } from "./m01-killed.ts";
import { stoppedByTheUser } from "./m02-stopped.ts";
import { failingModels } from "./m03-failing.ts";
import { malformedYaml } from "./m04-yaml.ts";
import { malformedSql } from "./m05-sql.ts";
import { attacks } from "./m06-attacks.ts";
import { dataTestsDoNotLie } from "./m07-data-tests.ts";
import { errorsThatHelp } from "./x03-errors.ts";

/** Those that `npm test` runs too, with small numbers. */
export const QUICK_CASES: readonly Case[] = [
  killedWhileBuilding,
  stoppedByTheUser,
  failingModels,
  malformedYaml,
  malformedSql,
  attacks,
  dataTestsDoNotLie,
  killedFullLoad,
  killedIncrementalLoad,
  tiesOfTheCursor,
  absurdCursor,
];

/** X-03 counts tests that `npm test` has anyway. */
export const CASES: readonly Case[] = [...QUICK_CASES, errorsThatHelp];
