import { dueBetween, dueMoments } from "../../schedule/due/due.ts";
import { all, type Case, none, type Report } from "./case.ts";

interface Change {
  zone: string;
  /** Midnight before and after the change, UTC. */
  from: string;
  until: string;
  hours: number;
  /** Due moments of expressions with one time, UTC. */
  table: Record<string, string[]>;
}

/** What is due on the days of the four changes, written down by hand. */
const CHANGES: readonly Change[] = [
  {
    zone: "Europe/Paris",
    from: "2026-03-28T23:00Z",
    until: "2026-03-29T22:00Z",
    hours: 23,
    table: {
      "30 2 * * *": ["2026-03-29T01:00Z"],
      "15 2 * * *": ["2026-03-29T01:00Z"],
      "0 0 * * *": ["2026-03-29T22:00Z"],
    },
  },
  {
    zone: "Europe/Paris",
    from: "2026-10-24T22:00Z",
    until: "2026-10-25T23:00Z",
    hours: 25,
    table: {
      "30 2 * * *": ["2026-10-25T00:30Z"],
      "15 2 * * *": ["2026-10-25T00:15Z"],
      "0 0 * * *": ["2026-10-25T23:00Z"],
    },
  },
  {
    zone: "America/New_York",
    from: "2026-03-08T05:00Z",
    until: "2026-03-09T04:00Z",
    hours: 23,
    table: {
      "30 2 * * *": ["2026-03-08T07:00Z"],
      "30 1 * * *": ["2026-03-08T06:30Z"],
      "0 0 * * *": ["2026-03-09T04:00Z"],
    },
  },
  {
    zone: "America/New_York",
    from: "2026-11-01T04:00Z",
    until: "2026-11-02T05:00Z",
    hours: 25,
    table: {
      "30 2 * * *": ["2026-11-01T07:30Z"],
      "30 1 * * *": ["2026-11-01T05:30Z"],
      "0 0 * * *": ["2026-11-02T05:00Z"],
    },
  },
];

/** Firsts of months around the changes. */
const FIRSTS: Record<string, string[]> = {
  "Europe/Paris 2026-03-28T23:00Z": ["2026-02-28T23:00Z", "2026-03-31T22:00Z", "2026-04-30T22:00Z"],
  "Europe/Paris 2026-10-24T22:00Z": ["2026-09-30T22:00Z", "2026-10-31T23:00Z", "2026-11-30T23:00Z"],
  "America/New_York 2026-03-08T05:00Z": ["2026-03-01T05:00Z", "2026-04-01T04:00Z", "2026-05-01T04:00Z"],
  "America/New_York 2026-11-01T04:00Z": ["2026-10-01T04:00Z", "2026-11-01T04:00Z", "2026-12-01T05:00Z"],
};
const MINUTE_MS = 60_000;

/** S-05: summer time. */
export const summerTime: Case = {
  id: "S-05",
  run: async (): Promise<Report> => {
    const failures: string[] = [];
    let combinations = 0;
    const compare = (what: string, found: readonly Date[], expected: readonly Date[]) => {
      combinations++;
      if (found.map(Number).join() === expected.map(Number).join()) return;
      failures.push(`${what}: ${found.map((due) => due.toISOString()).join(" ")}`);
    };
    for (const { zone, from, until, hours, table } of CHANGES) {
      const due = (cron: string, start = new Date(from), end = new Date(until)) =>
        dueBetween(dueMoments({ cron, timezone: zone }), start, end);
      for (const [cron, moments] of Object.entries(table))
        compare(
          `${zone} ${from} ${cron}`,
          due(cron),
          moments.map((moment) => new Date(moment)),
        );
      for (const [cron, minutes] of [
        ["*/15 * * * *", 15],
        ["0 * * * *", 60],
      ] as const) {
        const evenly = Array.from(
          { length: (hours * 60) / minutes },
          (_, index) => new Date(Date.parse(from) + (index + 1) * minutes * MINUTE_MS),
        );
        compare(`${zone} ${from} ${cron}`, due(cron), evenly);
      }
      const firsts = (FIRSTS[`${zone} ${from}`] ?? []).map((moment) => new Date(moment));
      const [first = new Date(0)] = firsts;
      const last = firsts.at(-1) ?? first;
      compare(`${zone} ${from} first`, due("0 0 1 * *", new Date(first.getTime() - 1), last), firsts);
    }
    return {
      figures: [all("combinations", combinations, 24), none("deviations", failures.length)],
      failures,
    };
  },
};
