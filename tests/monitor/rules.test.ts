import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { projectErrorsOf } from "../../core/errors.ts";
import { toldAt } from "../../monitor/alerts/quiet.ts";
import { evaluateRules } from "../../monitor/rules/evaluate.ts";
import { tryRules } from "../../monitor/rules/try-rules.ts";
import { loadMonitor, type MonitorSettings } from "../../monitor/settings.ts";
import { keepMetrics } from "../../state/metrics.ts";
import { type Ground, stateGround } from "./state.ts";

function settingsOf({ folder }: Pick<Ground, "folder">, text: string): MonitorSettings {
  writeFileSync(join(folder, "monitor.yml"), text);
  return loadMonitor(folder);
}

const HOUR = 3_600_000;
const labels = { command: "build" };

async function measure(
  ground: Ground,
  values: readonly number[],
  { everyMs = HOUR, name = "run_duration_seconds" } = {},
) {
  for (const [place, value] of values.entries()) {
    if (place > 0) ground.clock.pass(everyMs);
    const points = [{ name, labels, value }];
    await keepMetrics(ground.state, { runId: `run-${place}`, at: ground.clock.now(), points });
  }
}

async function judged(ground: Ground, rule: string, timezone = "UTC") {
  const settings = settingsOf(ground, `timezone: ${timezone}\nrules: [${rule}]`);
  const now = ground.clock.now();
  const { bad, good } = await evaluateRules(ground.state, settings, { now, measuredAt: now });
  return { bad: bad.map(({ message }) => message), good: good.length };
}

const usual = [60, 62, 58, 61, 59, 60, 63, 57, 60, 61];

describe("rules", () => {
  test.each<[string, string, number[], boolean | undefined]>([
    ["a bound that holds", "{name: r, metric: run_duration_seconds, max: 70}", [60], false],
    ["a bound that is broken", "{name: r, metric: run_duration_seconds, max: 1m}", [61], true],
    ["a least value", "{name: r, metric: run_duration_seconds, min: 5}", [4], true],
    [
      "other labels",
      "{name: r, metric: run_duration_seconds, where: {command: in*}, max: 1}",
      [61],
      undefined,
    ],
    [
      "labels by pattern",
      "{name: r, metric: run_duration_seconds, where: {command: b*d}, max: 1}",
      [61],
      true,
    ],
    [
      "longer than usual",
      "{name: r, metric: run_duration_seconds, anomaly: {direction: above}}",
      [...usual, 90],
      true,
    ],
    [
      "shorter, where that is fine",
      "{name: r, metric: run_duration_seconds, anomaly: {direction: above}}",
      [...usual, 5],
      false,
    ],
    ["as usual", "{name: r, metric: run_duration_seconds, anomaly: true}", [...usual, 64], false],
    [
      "too little history",
      "{name: r, metric: run_duration_seconds, anomaly: true}",
      [...usual.slice(1), 90],
      undefined,
    ],
    [
      "one outlier in the history",
      "{name: r, metric: run_duration_seconds, anomaly: true}",
      [...usual, 9000, 90],
      true,
    ],
    ["a drop", "{name: r, metric: run_duration_seconds, drop: 50%}", [...usual, 20], true],
    [
      "no drop",
      "{name: r, metric: run_duration_seconds, drop: {by: 50%, min_samples: 5}}",
      [...usual, 40],
      false,
    ],
    ["a rate", "{name: r, metric: run_duration_seconds, rate: {max: 0.4, over: 1d}}", [0, 1, 0, 1], true],
    [
      "a rate over less",
      "{name: r, metric: run_duration_seconds, rate: {max: 0.4, over: 1d}}",
      [1, 1],
      undefined,
    ],
  ])("%s", async (_, rule, values, isBad) => {
    const ground = stateGround();
    await measure(ground, values);
    const { bad, good } = await judged(ground, rule);
    expect([bad.length, good]).toEqual(isBad === undefined ? [0, 0] : isBad ? [1, 0] : [0, 1]);
  });

  test("compare with the same hour only, in the zone of the settings", async () => {
    const ground = stateGround("2026-03-01T00:00:00Z");
    // Busy at 14 o'clock in Paris, that is 13 UTC, for ten days.
    const values = Array.from({ length: 241 + 13 }, (_, hour) => (hour % 24 === 13 ? 1000 : 10));
    await measure(ground, values);
    const rule = (season: string) => `{name: r, metric: run_duration_seconds, anomaly: {season: ${season}}}`;
    expect(await judged(ground, rule("hour"), "Europe/Paris")).toEqual({ bad: [], good: 1 });
    expect((await judged(ground, rule("none"))).bad).toEqual([
      "run_duration_seconds is 1000, expected 10 ± 2 (median of 253)",
    ]);
  });

  test("ages go on while nothing runs", async () => {
    const ground = stateGround();
    await measure(ground, [0], { name: "run_success_age_seconds" });
    const settings = settingsOf(ground, "rules: [{name: alive, metric: run_success_age_seconds, max: 2h}]");
    const look = () => evaluateRules(ground.state, settings, { now: ground.clock.now() });
    expect(await look()).toMatchObject({ bad: [], good: ["rule:alive command=build"] });
    ground.clock.pass(3 * HOUR);
    expect((await look()).bad).toMatchObject([
      { message: "run_success_age_seconds is 10800, expected at most 7200" },
    ]);
  });

  test("are tried on history, where a stretch of bad values is one alert", async () => {
    const ground = stateGround();
    await measure(ground, [...usual, 90, 95, 60, 99]);
    const settings = settingsOf(ground, "rules: [{name: r, metric: run_duration_seconds, anomaly: true}]");
    const now = ground.clock.now();
    const [trial] = await tryRules(ground.state, settings, { since: new Date(0), now });
    expect(trial).toMatchObject({ judged: 4, alerts: [{ value: 90 }, { value: 99 }] });
    expect(trial?.alerts[0]?.to).not.toBe(trial?.alerts[0]?.from);
  });
});

test.each<[string, string, string, string]>([
  [
    "rules:\n  - {name: a, metric: model_rowz, max: 1}",
    "METRIC_UNKNOWN",
    "monitor.yml:2:23",
    "nearest names: model_rows",
  ],
  [
    "rules:\n  - {name: a, metric: model_rows, where: {modl: x}, max: 1}",
    "RULE_LABEL",
    "monitor.yml:2:49",
    "nearest names: model",
  ],
  ["rules:\n  - {name: a, metric: model_rows}", "RULE_JUDGEMENT", "monitor.yml:2:12", "give it min and max"],
  [
    "rules:\n  - {name: a, metric: tests, max: 1}\n  - {name: a, metric: tests, max: 2}",
    "RULE_TWICE",
    "monitor.yml:3:12",
    "give it another name",
  ],
  [
    "rules:\n  - {name: a, metric: tests, max: 1, channels: [slak]}\nchannels: {slack: {type: slack, url: {env: U}}}",
    "CHANNEL_UNKNOWN",
    "monitor.yml:2:49",
    "nearest names: slack",
  ],
  ["rules:\n  - {name: a, metric: tests, maxx: 1}", "YAML_SCHEMA", "monitor.yml:2:30", "nearest names: max"],
  ["timezone: Europe/Pariss", "MONITOR_TIMEZONE", "monitor.yml:1:11", "nearest names: Europe/Paris"],
  [
    "channels: {m: {type: email, host: h, from: nobody, to: [a@b.c]}}",
    "YAML_SCHEMA",
    "monitor.yml:1:44",
    "expected an address",
  ],
])("%s is %s", (text, code, where, says) => {
  const ground = stateGround();
  let thrown: unknown;
  try {
    settingsOf(ground, text);
  } catch (error) {
    thrown = error;
  }
  const [mistake] = projectErrorsOf(thrown);
  expect(mistake).toMatchObject({ code, where, exitCode: 2 });
  expect([mistake?.message, ...(mistake?.why ?? []), mistake?.hint].join("\n")).toContain(says);
});

test("settings in two places are one too many", () => {
  const { folder } = stateGround();
  writeFileSync(join(folder, "project.yml"), "name: shop\nmonitor: {timezone: UTC}\n");
  expect(loadMonitor(folder).timezone).toBe("UTC");
  writeFileSync(join(folder, "monitor.yml"), "timezone: UTC\n");
  expect(() => loadMonitor(folder)).toThrow("the monitor is set up in two places");
});

test.each([
  ["2026-03-02T20:59:00Z", "error", "2026-03-02T20:59:00.000Z"],
  ["2026-03-02T21:00:30Z", "error", "2026-03-03T06:00:00.000Z"],
  ["2026-03-03T05:59:00Z", "warning", "2026-03-03T06:00:00.000Z"],
  ["2026-03-02T21:00:30Z", "critical", "2026-03-02T21:00:30.000Z"],
  // The night in which clocks go forward.
  ["2026-03-28T22:00:00Z", "error", "2026-03-29T05:00:00.000Z"],
] as const)("at %s a message of severity %s is told at %s", (now, severity, told) => {
  const { quiet_hours } = settingsOf(stateGround(), 'quiet_hours: {from: "22:00", to: "07:00"}');
  const at = toldAt(new Date(now), severity, { quiet: quiet_hours, timezone: "Europe/Paris" });
  expect(at.toISOString()).toBe(told);
});
