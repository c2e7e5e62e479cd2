import { expect, test } from "vitest";
import { QUICK_CASES } from "./all.ts";
import { runCase } from "./case.ts";

const SEED = 1;

test.each(QUICK_CASES)(
  "$id holds its bounds with few kills and inputs",
  { timeout: 180_000 },
  async (one) => {
    const { line, failures, isPassed } = await runCase(one, "quick", SEED);
    console.log(line);
    expect(failures).toEqual([]);
    expect(isPassed, line).toBe(true);
  },
);
