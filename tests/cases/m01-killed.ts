import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Random } from "../../moovitamix/world/random.ts";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand, startCommand } from "./command.ts";
import { CHECKED, FORTY, fortyModels, ROWS, STATE_SQL, tornTables, versionsOf } from "./forty-models.ts";
import { readAlong, readRows } from "./read.ts";

const NUMBERS = {
  quick: { random: 4, point: 2, inserts: 1 },
  full: { random: 200, point: 100, inserts: 50 },
} as const;

/** Where else than in the middle of an incremental model a run is killed. */
const OTHER_POINTS = ["transaction.commit", "publish.table", "publish.rename", "artifacts.write", "run.end"];

interface Round {
  cwd: string;
  version: number;
  failures: string[];
}

/** M-01: killed while building. */
export const killedWhileBuilding: Case = {
  id: "M-01",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const numbers = NUMBERS[size];
    const cwd = projects.make(fortyModels());
    const round: Round = { cwd, version: 1, failures: [] };
    const seconds = { models: await must(round, "models"), publish: await must(round, "publish") };
    const reader = readAlong(join(cwd, "data/published/latest.duckdb"), STATE_SQL, 5);
    let struck = 0;
    for (let kill = 0; kill < numbers.random; kill++) {
      const command = kill % 4 === 3 ? "publish" : "models";
      struck += await killAtRandom(round, command, random.next() * seconds[command]);
      await heal(round, { isPublishing: kill % 4 === 2 });
    }
    for (let kill = 0; kill < numbers.point; kill++) await killAt(round, pointOf(kill, random));
    for (let insert = 0; insert < numbers.inserts; insert++) await failInsert(round, random);
    const reads = await reader.stop();
    const unusable = reads.rows.flatMap(tornTables);
    const mixed = reads.rows.filter((state) => versionsOf(state).length !== 1);
    const count = (word: string) => round.failures.filter((failure) => failure.includes(word)).length;
    return {
      figures: [
        { name: "kills", value: numbers.random },
        { name: "killed_while_running", value: struck },
        { name: "kills_at_points", value: numbers.point },
        { name: "failing_inserts", value: numbers.inserts },
        { name: "reads_of_releases", value: reads.count },
        none("torn", count("torn") + unusable.length),
        none("mixed_releases", mixed.length),
        none("missing_or_empty_reads", reads.missing.length),
        none("leftovers", count("left over")),
        none("runs_not_healed", count("not healed")),
      ],
      failures: [...round.failures, ...unusable.slice(0, 3), ...reads.missing.slice(0, 3)],
    };
  },
};

async function must({ cwd, version }: Round, command: string): Promise<number> {
  const { exitCode, stderr, seconds } = await runCommand([command, "--vars", `{version: ${version}}`], {
    cwd,
  });
  if (exitCode !== 0) throw new Error(`run ${command} ended with ${exitCode}: ${stderr}`);
  return seconds;
}

/** Returns 1 when the command was still running. */
async function killAtRandom(round: Round, command: string, afterSeconds: number): Promise<number> {
  round.version++;
  const started = startCommand([command, "--vars", `{version: ${round.version}}`], { cwd: round.cwd });
  await delay(afterSeconds * 1000);
  const wasRunning = started.isRunning();
  started.signal("SIGKILL");
  await started.ended;
  await checkTables(round, `killed after ${afterSeconds.toFixed(3)} s`);
  return wasRunning ? 1 : 0;
}

/** Most kills fall between the delete and the insert of an incremental model. */
function pointOf(kill: number, random: Random): string {
  if (kill % 4 !== 3) return `incremental.insert:${random.integer(1, CHECKED.length)}:kill`;
  const point = OTHER_POINTS[Math.floor(kill / 4) % OTHER_POINTS.length] ?? "";
  const nth = { "transaction.commit": CHECKED.length, "publish.table": FORTY.length }[point] ?? 1;
  return `${point}:${random.integer(1, nth)}:kill`;
}

async function killAt(round: Round, fault: string): Promise<void> {
  round.version++;
  const command = fault.startsWith("publish") ? "publish" : "models";
  const { exitCode } = await runCommand([command, "--vars", `{version: ${round.version}}`], {
    cwd: round.cwd,
    fault,
  });
  if (exitCode !== 137) round.failures.push(`${fault} was not reached: exit ${exitCode}`);
  await checkTables(round, fault);
  await heal(round, { isPublishing: command === "publish" });
}

/** After its delete an incremental model inserts a row that a check refuses. */
async function failInsert(round: Round, random: Random): Promise<void> {
  round.version++;
  const bad = random.integer(0, ROWS - 1);
  const { exitCode } = await runCommand(["models", "--vars", `{version: ${round.version}, bad: ${bad}}`], {
    cwd: round.cwd,
  });
  if (exitCode !== 1) round.failures.push(`a failing insert (row ${bad}) ended with ${exitCode}`);
  const state = await checkTables(round, `insert failed at row ${bad}`);
  for (const [name, , low] of state)
    if (CHECKED.includes(String(name)) && Number(low) === round.version)
      round.failures.push(`torn: ${name} took version ${low}, which its check refuses`);
  await heal(round, { isPublishing: false });
}

/** The warehouse itself, once nobody writes to it. */
async function checkTables({ cwd, failures }: Round, after: string) {
  const state = await readRows(join(cwd, "data/warehouse.duckdb"), STATE_SQL).catch((error: unknown) => {
    failures.push(`${after}: torn: the warehouse cannot be read: ${error}`);
    return [];
  });
  failures.push(...(state.length === 0 ? [] : tornTables(state)).map((what) => `${after}: ${what}`));
  return state;
}

const TABLES_SQL =
  "select table_name from information_schema.tables where table_catalog not in ('system', 'temp') order by 1";

/** The next run needs no hand, gives what a clean build gives, and leaves nothing behind. */
async function heal(round: Round, { isPublishing }: { isPublishing: boolean }): Promise<void> {
  const { cwd, version, failures } = round;
  for (const command of isPublishing ? ["models", "publish"] : ["models"]) {
    const { exitCode, stderr } = await runCommand([command, "--vars", `{version: ${version}}`], { cwd });
    if (exitCode !== 0) failures.push(`not healed: run ${command} ended with ${exitCode}: ${stderr}`);
  }
  const versions = versionsOf(await checkTables(round, "healed"));
  if (versions.join() !== String(version)) failures.push(`not healed: versions ${versions}, not ${version}`);
  const names = (await readRows(join(cwd, "data/warehouse.duckdb"), TABLES_SQL)).map(([name]) =>
    String(name),
  );
  const wanted = FORTY.map(({ name }) => name);
  failures.push(...names.filter((name) => !wanted.includes(name)).map((name) => `left over: table ${name}`));
  failures.push(...filesLeft(cwd, isPublishing).map((file) => `left over: ${file}`));
}

function filesLeft(cwd: string, isPublishing: boolean): string[] {
  const isUnfinished = /\.(tmp|part|wal|checkpoint|recovery)$/;
  const folders = ["data", "target", ...(isPublishing ? ["data/published"] : [])];
  return folders
    .filter((folder) => existsSync(join(cwd, folder)))
    .flatMap((folder) => readdirSync(join(cwd, folder)).map((name) => `${folder}/${name}`))
    .filter((file) => isUnfinished.test(file) || file.endsWith("lock.db.json"));
}
