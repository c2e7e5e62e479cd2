import { expect, test } from "vitest";
import type { Output } from "../../cli/invocation.ts";
import { colorsFor, createStory, formatTable } from "../../cli/print.ts";
import { progressLines } from "../../cli/progress.ts";
import type { LogEntry } from "../../core/log.ts";
import type { StreamProgress } from "../../ingest/progress.ts";

const NOW = 100_000;

function progress(changes: Partial<StreamProgress> = {}): StreamProgress {
  return {
    source: "shop",
    stream: "orders",
    state: "loading",
    records: 1200,
    page: 12,
    pages: 20,
    traffic: { requests: 12, retries: 0, sizeBytes: 1 },
    startedMs: NOW - 2000,
    ...changes,
  };
}

const place = (columns: number, rows = 24) => ({ columns, rows, nowMs: NOW, dim: (text: string) => text });
const squeezed = (lines: string[]) => lines.map((line) => line.replace(/ +/g, " "));

test("a line says pages, records, rate, retries and waits of a stream", () => {
  const traffic = {
    requests: 15,
    retries: 3,
    sizeBytes: 1,
    waits: { count: 2, totalMs: 9000, untilMs: NOW + 3500 },
  };
  expect(squeezed(progressLines([progress({ traffic })], place(120)))).toEqual([
    `shop.orders ${"█".repeat(18)}${"░".repeat(12)} page 12/20 1,200 records 600/s 3 retries, waits 4 s`,
  ]);
});

test("a stream whose end is not known has no bar, and one that has all says that it commits", () => {
  const lines = progressLines([progress({ pages: null }), progress({ state: "committing" })], place(60));
  expect(squeezed(lines)).toEqual([
    "shop.orders page 12 1,200 records",
    "shop.orders page 12/20 1,200 records commits",
  ]);
  expect(progressLines([progress({ pages: null })], place(120)).join()).not.toMatch(/[█░]/);
});

test("streams that wait or have ended are counted or left out", () => {
  const states = (["ended", "loading", "waiting", "waiting"] as const).map((state) => progress({ state }));
  expect(progressLines(states, place(80))).toHaveLength(2);
  expect(progressLines(states, place(80))[1]).toBe("2 waiting");
});

test("lines are never wider than the terminal, nor more than half of its rows", () => {
  const long = progress({ stream: "a_stream_with_quite_a_long_name", pages: 123_456, records: 12_345_678 });
  const many = Array.from({ length: 40 }, () => long);
  for (const columns of [20, 40, 60, 80, 200]) {
    const lines = progressLines(many, place(columns, 20));
    expect(lines).toHaveLength(11);
    expect(lines.filter((line) => line.length >= columns)).toEqual([]);
  }
  expect(progressLines(many, place(80, 20)).at(-1)).toBe("30 more under way");
});

function terminal(isTty = true) {
  let text = "";
  const output: Output = {
    isTty,
    size: () => ({ columns: 80, rows: 24 }),
    write: (piece) => {
      text += piece;
    },
    flush: async () => {},
  };
  const options = { colors: colorsFor(output, { NO_COLOR: "1" }), isQuiet: false, isDebug: false };
  return { output, options, text: () => text };
}

const entry = (message: string): LogEntry => ({ level: "info", event: "told", message, fields: {} });

test("live lines stay below what is told, and are gone when they are cleared", () => {
  const { output, options, text } = terminal();
  const story = createStory(output, { ...options, format: "text" });
  expect(story.form).toBe("live");
  story.showLive(["one", "two"]);
  story.sink(entry("news"));
  story.clear();
  const up = "\r\u001b[1A\u001b[J";
  expect(text()).toBe(`one\ntwo${up}news\none\ntwo${up}`);
});

test.each([
  [{ format: "json" as const }, true, "events"],
  [{ format: "text" as const }, false, "lines"],
  [{ format: "text" as const, isDumb: true }, true, "lines"],
  [{ format: "text" as const, isQuiet: true }, true, "silent"],
])("with %j on a terminal (%s) progress comes as %s", (more, isTty, form) => {
  const { output, options } = terminal(isTty);
  expect(createStory(output, { ...options, ...more }).form).toBe(form);
});

test("colours of a cell are kept, and what outside text holds of controls is not obeyed", () => {
  const colors = colorsFor({ isTty: true, write: () => {}, flush: async () => {} }, { FORCE_COLOR: "1" });
  const [, row] = formatTable(
    ["status", "text"],
    [[`a ${colors.red("failed")}`, "\u001b[2Jx\u001b[31m"]],
    colors,
  ).split("\n");
  expect(row).toBe("  a \u001b[31mfailed\u001b[39m   ·[2Jx·[31m");
});
