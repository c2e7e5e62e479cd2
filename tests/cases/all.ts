import type { Case } from "./case.ts";
import { killedFullLoad } from "./i01-killed-full.ts";
import { killedIncrementalLoad } from "./i02-killed-incremental.ts";
import { cutBodies } from "./i03-cut.ts";
import { stallingServer } from "./i04-stalls.ts";
import { randomFaults } from "./i05-random-faults.ts";
import { tooManyRequests } from "./i06-429.ts";
import { endlessPaging } from "./i07-endless.ts";
import { changingWhilePaged } from "./i08-changing.ts";
import { tiesOfTheCursor } from "./i09-ties.ts";
import { absurdCursor } from "./i10-absurd-cursor.ts";
import { exactValues } from "./i12-exact-values.ts";
import { brokenContracts } from "./i13-broken-contracts.ts";
import { onePartFails } from "./i14-one-part.ts";
import { otherHosts } from "./i15-other-hosts.ts";
import { limitOfLoad, steadyLoad } from "./l01-steady.ts";
import { longLoad } from "./l03-long.ts";
import { burstOfJobs } from "./l05-burst.ts";
import { idleScheduler } from "./l06-idle.ts";
import { manyStreams } from "./l07-many-streams.ts";
import { killedWhileBuilding } from "./m01-killed.ts";
import { stoppedByTheUser } from "./m02-stopped.ts";
import { failingModels } from "./m03-failing.ts";
import { malformedYaml } from "./m04-yaml.ts";
import { malformedSql } from "./m05-sql.ts";
import { attacks } from "./m06-attacks.ts";
import { dataTestsDoNotLie } from "./m07-data-tests.ts";
import { killedScheduler } from "./s01-scheduler-killed.ts";
import { dyingJobs } from "./s02-dying-jobs.ts";
import { overlappingRuns } from "./s03-overlap.ts";
import { missedWhileDown } from "./s04-missed.ts";
import { summerTime } from "./s05-summer-time.ts";
import { timersAndDrift } from "./s06-timers.ts";
import { channelsDown } from "./s07-channel-down.ts";
import { swapsAndStops } from "./v01-swaps.ts";
import { damagedLists } from "./v02-damaged-lists.ts";
import { feedbackOnce } from "./v03-feedback-once.ts";
import { anyInput } from "./v04-any-input.ts";
import { tooManyClients } from "./v05-too-many-clients.ts";
import { dataGone } from "./v06-data-gone.ts";
import { diskFull } from "./x01-disk-full.ts";
import { secretsStaySecret } from "./x02-secrets.ts";
import { errorsThatHelp } from "./x03-errors.ts";
import { damagedFiles } from "./x04-damaged.ts";
import { orderedWrites } from "./x05-order-of-writes.ts";
import { dependencies } from "./x06-dependencies.ts";
import { manyProcesses } from "./x07-many-processes.ts";

/** Those that `npm test` runs too, with small numbers. */
export const QUICK_CASES: readonly Case[] = [
  onePartFails,
  otherHosts,
  secretsStaySecret,
  channelsDown,
  killedWhileBuilding,
  stoppedByTheUser,
  failingModels,
  malformedYaml,
  malformedSql,
  attacks,
  dataTestsDoNotLie,
  killedFullLoad,
  killedIncrementalLoad,
  cutBodies,
  stallingServer,
  randomFaults,
  tooManyRequests,
  tiesOfTheCursor,
  absurdCursor,
  endlessPaging,
  changingWhilePaged,
  manyStreams,
  exactValues,
  brokenContracts,
  killedScheduler,
  dyingJobs,
  overlappingRuns,
  missedWhileDown,
  summerTime,
  timersAndDrift,
  burstOfJobs,
  idleScheduler,
  damagedFiles,
  diskFull,
  swapsAndStops,
  damagedLists,
  feedbackOnce,
  anyInput,
  tooManyClients,
  dataGone,
  steadyLoad,
  limitOfLoad,
  longLoad,
  manyProcesses,
  orderedWrites,
];

/** X-03 counts tests that `npm test` has anyway, X-06 needs the registry of packages. */
export const CASES: readonly Case[] = [...QUICK_CASES, errorsThatHelp, dependencies];
