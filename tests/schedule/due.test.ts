import { expect, test } from "vitest";
import { parseDuration } from "../../core/duration.ts";
import { planDue } from "../../schedule/due/catch-up.ts";
import { checkCron, dueBetween, dueMoments } from "../../schedule/due/due.ts";
import { localTime } from "../../schedule/job-list.ts";
import { splitWords } from "../../schedule/jobs/words.ts";

const shown = (moments: readonly Date[]) => moments.map((moment) => moment.toISOString().slice(5, 16));

test.each([
  [
    "a time in the missing hour, once right after it",
    "30 2 * * *",
    "2026-03-28T22:00Z",
    "2026-03-30T22:00Z",
    ["03-29T01:00", "03-30T00:30"],
  ],
  [
    "a time in the repeated hour, once",
    "30 2 * * *",
    "2026-10-24T22:00Z",
    "2026-10-26T02:00Z",
    ["10-25T00:30", "10-26T01:30"],
  ],
  [
    "every half hour through the repeated hour",
    "*/30 * * * *",
    "2026-10-25T00:00Z",
    "2026-10-25T01:30Z",
    ["10-25T00:30", "10-25T01:00", "10-25T01:30"],
  ],
])("summer time in Paris: %s", (_, cron, after, until, expected) => {
  const next = dueMoments({ cron, timezone: "Europe/Paris" });
  expect(shown(dueBetween(next, new Date(after), new Date(until)))).toEqual(expected);
});

test("an interval keeps its distance from 1970 on, whenever it is asked", () => {
  const next = dueMoments({ everyMs: 600_000 });
  const moments = dueBetween(next, new Date("2026-03-29T00:55:00Z"), new Date("2026-03-29T01:20:00Z"));
  expect(shown(moments)).toEqual(["03-29T01:00", "03-29T01:10", "03-29T01:20"]);
});

test("moments are shown in their zone with its offset", () => {
  expect(localTime(new Date("2026-03-29T00:30:00Z"), "Europe/Paris")).toBe("2026-03-29 01:30:00+01:00");
  expect(localTime(new Date("2026-03-29T01:00:00Z"), "Europe/Paris")).toBe("2026-03-29 03:00:00+02:00");
  expect(localTime(new Date("2026-03-29T01:00:00Z"), "UTC")).toBe("2026-03-29 01:00:00+00:00");
});

test("an expression that is never due is none", () => {
  expect(checkCron("0 6 * * 1-5")).toBeNull();
  expect(checkCron("61 * * * *")).toContain("61");
  expect(checkCron("0 0 31 2 *")).toBe("it is never due");
});

const NOW = new Date("2026-01-15T12:00:30Z");
const minutesAgo = (minutes: number) => new Date(NOW.getTime() - minutes * 60_000 - 30_000);
const LATE = [minutesAgo(120), minutesAgo(60), minutesAgo(5)];

test.each([
  ["none", null, []],
  ["last", null, [5]],
  ["all", null, [120, 60, 5]],
  ["all", 90 * 60_000, [60, 5]],
  ["last", 60_000, []],
] as const)("catch_up %s within %s runs those missed %j minutes ago", (runs, withinMs, minutes) => {
  const plan = planDue({ catchUp: { runs, withinMs } }, LATE, NOW);
  expect(plan.caughtUp).toEqual(minutes.map(minutesAgo));
  expect(plan.missed).toHaveLength(LATE.length - minutes.length);
  expect(plan.onTime).toEqual([]);
});

test("a moment that is due now makes up for the last missed one", () => {
  const plan = planDue({ catchUp: { runs: "last", withinMs: null } }, [...LATE, minutesAgo(0)], NOW);
  expect(plan).toMatchObject({ caughtUp: [], onTime: [minutesAgo(0)] });
  expect(plan.missed.map(({ reason }) => reason)).toEqual(
    Array(3).fill("nobody was there to start it, and a later run makes up for it (catch_up: last)"),
  );
});

test.each([
  ["90s", 90_000],
  ["1h 30m", 5_400_000],
  ["2d", 172_800_000],
  ["10", undefined],
  ["soon", undefined],
])("the duration %s has %s ms", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test("words are split as a shell splits them", () => {
  expect(splitWords(`build --select "tag:a b" 'it''s' --vars '{a: "b"}' x\\ y`)).toEqual([
    ...["build", "--select", "tag:a b", "its", "--vars", '{a: "b"}', "x y"],
  ]);
  expect(splitWords('show "open')).toBeUndefined();
});
