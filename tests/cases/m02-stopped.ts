import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { type Case, type Ground, none, type Report } from "./case.ts";
import { type Ended, runCommand, type Started, startCommand } from "./command.ts";
import { FORTY, fortyModels, STATE_SQL, tornTables } from "./forty-models.ts";
import { readRows } from "./read.ts";

const NUMBERS = { quick: 3, full: 60 } as const;
const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const;

/** Rows that a subquery of each model goes over, so that signals meet running statements. */
const WORK = 3_000_000;
const LONGEST_STOP_SECONDS = 5;
const SECOND_SIGNAL_MS = 1000;
const LONGEST_AFTER_SECOND_SECONDS = 1;

interface Stop {
  ended: Ended;
  /** From the signal to the end of the process. */
  seconds: number;
  /** From the second signal on, when there was one. */
  afterSecond: number | null;
}

/** M-02: stopped by the user. */
export const stoppedByTheUser: Case = {
  id: "M-02",
  run: async ({ size, random, projects }: Ground): Promise<Report> => {
    const cwd = projects.make(fortyModels({ work: WORK }));
    const failures: string[] = [];
    const first = await runCommand(["models"], { cwd });
    if (first.exitCode !== 0) throw new Error(first.stderr);
    const stops: Stop[] = [];
    const wrong = { exit: 0, history: 0, results: 0, alive: 0 };
    let tooLate = 0;
    for (let version = 1; stops.length < NUMBERS[size]; version++) {
      const name = stops.length % 2 === 0 ? "SIGINT" : "SIGTERM";
      const started = startCommand(["models", "--vars", `{version: ${version}}`], { cwd });
      await delay(random.next() * first.seconds * 1000);
      const stop = await stopIt(started, name, stops.length % 4 < 2);
      // A run that was over before its signal says nothing.
      if (stop.ended.exitCode === 0 && ++tooLate < 10 * NUMBERS[size]) continue;
      stops.push(stop);
      if (started.isRunning()) wrong.alive++;
      if (stop.ended.exitCode !== SIGNALS[name])
        wrong.exit += tell(failures, `exit ${stop.ended.exitCode}`, stop);
      const torn = tornTables(await readRows(join(cwd, "data/warehouse.duckdb"), STATE_SQL));
      failures.push(...torn);
      // A signal before the run began, or a second one that cut it short, leaves no record of its own.
      if (stop.ended.stderr === "" || stop.afterSecond !== null) continue;
      const status = await lastStatus(cwd);
      // A signal between the run's last record and the end of the process finds nothing left to stop.
      if (status !== "interrupted" && !(status === "success" && isWhole(cwd)))
        wrong.history += tell(failures, `history says ${status}`, stop);
      if (!areResultsTold(cwd)) wrong.results += tell(failures, "run_results.json", stop);
    }
    const longest = (list: readonly number[]) => Number(Math.max(0, ...list).toFixed(2));
    return {
      figures: [
        { name: "signals", value: stops.length },
        {
          name: "longest_stop_s",
          value: longest(stops.map(({ seconds }) => seconds)),
          atMost: LONGEST_STOP_SECONDS,
        },
        {
          name: "longest_after_second_s",
          value: longest(stops.map(({ afterSecond }) => afterSecond ?? 0)),
          atMost: LONGEST_AFTER_SECOND_SECONDS,
        },
        none("statements_left_running", wrong.alive),
        none("wrong_exit_codes", wrong.exit),
        none("wrong_records", wrong.history + wrong.results),
      ],
      failures,
    };
  },
};

function tell(failures: string[], what: string, { ended }: Stop): number {
  failures.push(`${what}: ${ended.stderr.slice(-300)}`);
  return 1;
}

async function stopIt(started: Started, name: "SIGINT" | "SIGTERM", isTwice: boolean): Promise<Stop> {
  const signalled = performance.now();
  started.signal(name);
  let secondAt: number | null = null;
  if (isTwice) {
    await Promise.race([started.ended, delay(SECOND_SIGNAL_MS)]);
    if (started.isRunning()) {
      secondAt = performance.now();
      started.signal(name);
    }
  }
  const ended = await started.ended;
  const now = performance.now();
  return {
    ended,
    seconds: (now - signalled) / 1000,
    afterSecond: secondAt === null ? null : (now - secondAt) / 1000,
  };
}

async function lastStatus(cwd: string): Promise<string> {
  const { stdout } = await runCommand(["history", "--json", "--limit", "1"], { cwd });
  return String(JSON.parse(stdout).runs[0]?.status);
}

function resultsIn(cwd: string): { status: string; message: string | null }[] {
  return JSON.parse(readFileSync(join(cwd, "target/run_results.json"), "utf8")).results;
}

/** Whether every model was built. */
function isWhole(cwd: string): boolean {
  const results = resultsIn(cwd);
  return results.length === FORTY.length && results.every(({ status }) => status === "success");
}

/** What was not finished is in the results, and says that the run was interrupted. */
function areResultsTold(cwd: string): boolean {
  const results = resultsIn(cwd);
  const unfinished = results.filter(({ status }) => status !== "success");
  return (
    results.length === FORTY.length &&
    unfinished.every(({ status, message }) => status === "skipped" && /interrupted/.test(message ?? ""))
  );
}
