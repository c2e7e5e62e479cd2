import { expect, test } from "vitest";
import { createLoadMeter } from "../../web/serving/load.ts";

/** Requests of one turn of the event loop after another, each of which takes a while. */
function turns() {
  let now = 0;
  let end = () => {};
  const meter = createLoadMeter(
    () => now,
    (after) => {
      end = after;
    },
  );
  return {
    pass: (ms: number) => {
      now += ms;
    },
    /** How many of them were turned away. */
    turn: (requests: number, eachMs: number, refusalMs = 0.01) => {
      let refused = 0;
      for (let number = 0; number < requests; number++) {
        const isRefused = meter.isOverloaded();
        now += isRefused ? refusalMs : eachMs;
        if (isRefused) refused++;
      }
      end();
      return refused;
    },
  };
}

test("a stall is no load: what came meanwhile is answered", () => {
  const { pass, turn } = turns();
  for (let round = 0; round < 20; round++) {
    pass(400);
    expect(turn(120, 0.3)).toBe(0);
    expect(turn(1, 0.3)).toBe(0);
  }
});

test("few requests that take long are no load: the machine is busy with something else", () => {
  const { turn } = turns();
  for (let round = 0; round < 20; round++) expect(turn(31, 10)).toBe(0);
});

test("when turns stay long, what comes after their budget is turned away, until one is short", () => {
  const { turn } = turns();
  const refused = Array.from({ length: 8 }, () => turn(200, 0.5));
  expect(refused).toEqual([0, 0, 99, 159, 159, 159, 159, 159]);
  expect(turn(20, 0.5)).toBe(0);
  expect(turn(200, 0.5)).toBe(0);
});

test("a single turn with more than can be done turns away what comes later in it", () => {
  const { turn } = turns();
  expect(turn(1_000, 1)).toBe(749);
});
