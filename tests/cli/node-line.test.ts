import { expect, test } from "vitest";
import { unmaintained, warnOfNode } from "../../cli/node-line.ts";
import { createContext } from "../../core/context.ts";
import type { LogEntry } from "../../core/log.ts";

const ENDED = new Date("2099-01-01T00:00:00Z");

/** What a command says in this process's Node at `now`. */
function toldAt(now: Date, { isTty }: { isTty: boolean }): LogEntry[] {
  const told: LogEntry[] = [];
  const clock = { now: () => now, sleep: async () => {} };
  const ctx = createContext({ projectDir: "/", env: {}, clock, sink: (entry) => told.push(entry) });
  warnOfNode(ctx, { stderr: { isTty, write: () => {}, flush: async () => {} } });
  return told;
}

test("a person who watches is told once that the Node line gets no more fixes", () => {
  const told = toldAt(ENDED, { isTty: true });
  expect(told.map(({ level, event }) => [level, event])).toEqual([["warn", "node_unmaintained"]]);
  expect(told[0]?.message).toContain(`Node ${process.versions.node} gets no more security fixes since 20`);
  expect(told[0]?.message).toContain("install a Node line that is maintained");
});

test("neither a log nor a maintained line is told of it", () => {
  expect(toldAt(ENDED, { isTty: false })).toEqual([]);
  expect(toldAt(new Date("2024-05-01T00:00:00Z"), { isTty: true })).toEqual([]);
});

test("the text names the day", () => {
  expect(unmaintained("20.19.0", "2026-04-30")).toBe(
    "Node 20.19.0 gets no more security fixes since 2026-04-30",
  );
});
