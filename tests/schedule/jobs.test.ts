import { expect, test } from "vitest";
import { projectErrorsOf } from "../../core/errors.ts";
import { type CommandCheck, loadSchedule } from "../../schedule/jobs/load-jobs.ts";
import { anyCommand, scheduleOf, temporaryProject } from "./files.ts";

/** What is wrong with a schedule.yml. */
function mistakesIn(text: string, check: CommandCheck = anyCommand, others: Record<string, string> = {}) {
  try {
    loadSchedule(temporaryProject({ "schedule.yml": text, ...others }), check);
  } catch (error) {
    return projectErrorsOf(error).map(({ code, where, message, why, hint, exitCode }) => ({
      code,
      text: `${where}  ${message}`,
      why: why.join("; "),
      hint,
      exitCode,
    }));
  }
  return [];
}

test("jobs of both files are read, steps without needs wait for the one before", () => {
  const folder = temporaryProject({
    "project.yml": "name: shop\njobs: {early: {every: 10m, steps: [{run: ingest}]}}\n",
    "schedule.yml":
      "schedule: {timezone: Europe/Paris, concurrency: 2}\njobs:\n  daily:\n    cron: 0 6 * * *\n    retries: 1\n    retry_delay: [30s, 5m]\n    catch_up: {runs: all, within: 6h}\n    steps:\n      - run: ingest\n      - {name: marts, run: [build, --select, marts]}\n      - {run: publish, needs: []}\n",
  });
  const { jobs, settings } = loadSchedule(folder, anyCommand);
  expect(settings.concurrency).toBe(2);
  expect(jobs.map(({ name, timing }) => [name, timing])).toEqual([
    ["early", { everyMs: 600_000 }],
    ["daily", { cron: "0 6 * * *", timezone: "Europe/Paris" }],
  ]);
  expect(jobs[1]).toMatchObject({
    retryDelaysMs: [30_000, 300_000],
    catchUp: { runs: "all", withinMs: 21_600_000 },
    steps: [
      { name: "ingest", command: ["ingest"], needs: [] },
      { name: "marts", command: ["build", "--select", "marts"], needs: ["ingest"] },
      { name: "publish", command: ["publish"], needs: [] },
    ],
  });
});

test.each([
  [
    "JOB_CRON",
    "jobs: {a: {cron: '61 * * * *'}}",
    'schedule.yml:1:18  "61 * * * *" is no cron expression',
    "0 6 * * 1-5",
  ],
  [
    "JOB_TIMEZONE",
    "jobs:\n  a:\n    cron: '0 6 * * *'\n    timezone: Europe/Pari",
    'schedule.yml:4:15  unknown time zone "Europe/Pari"',
    "IANA",
  ],
  [
    "JOB_TIMING",
    "jobs: {a: {cron: '0 6 * * *', every: 1h}}",
    "a job has either cron or every",
    "keep the one",
  ],
  ["JOB_TIMING", "jobs: {a: {every: 10ms}}", "a job is due every second at most", "1s or more"],
  [
    "YAML_SCHEMA",
    "jobs:\n  a:\n    crom: '0 6 * * *'",
    'schedule.yml:3:5  unknown key "crom" in "a"',
    "correct or remove",
  ],
  [
    "YAML_SCHEMA",
    "jobs: {a: {every: soon}}",
    '"every" is wrong: expected a duration such as 30s, 10m or 1h 30m',
    "correct or remove",
  ],
  [
    "STEP_TWICE",
    "jobs: {a: {steps: [{name: x, run: ls}, {name: x, run: ls}]}}",
    'a second step "x"',
    "name of its own",
  ],
  [
    "STEP_NEEDS",
    "jobs: {a: {steps: [{run: ls, needs: [lss]}]}}",
    'unknown step "lss" in needs',
    "stand above",
  ],
  [
    "STEP_NEEDS",
    "jobs: {a: {steps: [{name: x, run: ls, needs: [y]}, {name: y, run: ls}]}}",
    'step "y" does not come before "x"',
    "stand above",
  ],
  ["STEP_COMMAND", "jobs: {a: {steps: [{run: 'show \"x'}]}}", "a quote is not closed", "write a command"],
  [
    "JOB_UNKNOWN",
    "jobs: {load: {}, b: {triggers: [{after: laod}]}}",
    'unknown job "laod" in after',
    "name a job",
  ],
  [
    "JOB_CYCLE",
    "jobs: {a: {triggers: [{after: b}]}, b: {triggers: [{after: a}]}}",
    "jobs trigger each other without end: ",
    "remove one",
  ],
])("%s: %s", (code, text, message, hint) => {
  const found = mistakesIn(text);
  expect(found).toMatchObject([{ code, exitCode: 2 }]);
  expect(found[0]?.text).toContain(message);
  expect(found[0]?.hint).toContain(hint);
});

test("the same job in both files is told at the second place", () => {
  const project = { "project.yml": "name: shop\njobs: {a: {}}\n" };
  expect(mistakesIn("jobs:\n  a: {}\n", anyCommand, project)).toMatchObject([
    { code: "JOB_TWICE", text: 'schedule.yml:2:3  a second job "a"', why: "the first one: project.yml:2:8" },
  ]);
});

test("all mistakes are told at once", () => {
  const text =
    "jobs:\n  a: {cron: nonsense, timezone: Nowhere}\n  b: {timezone: Nowhere, steps: [{run: bild}]}\n";
  const check: CommandCheck = ([word]) => (word === "bild" ? { message: 'unknown command "bild"' } : null);
  expect(mistakesIn(text, check).map(({ code }) => code)).toEqual([
    "JOB_TIMEZONE",
    "JOB_CRON",
    "JOB_TIMEZONE",
    "STEP_COMMAND",
  ]);
});

test("a job without steps, timing or triggers is started by hand", () => {
  expect(scheduleOf("jobs: {mark: {}}").jobs).toMatchObject([{ timing: null, steps: [], overlap: "skip" }]);
});
