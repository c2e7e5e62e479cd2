import type { Case } from "./case.ts";
import { killedWhileBuilding } from "./m01-killed.ts";
import { stoppedByTheUser } from "./m02-stopped.ts";

export const CASES: readonly Case[] = [killedWhileBuilding, stoppedByTheUser];
