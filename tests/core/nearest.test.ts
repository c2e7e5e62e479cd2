import { expect, test } from "vitest";
import { nearestLine, nearestNames } from "../../core/nearest.ts";

const NAMES = ["stg_tracks", "stg_users", "dim_tracks", "fct_listens", "a"];

test.each([
  ["stg_trakcs", "stg_tracks"],
  ["STG_TRACKS", "stg_tracks"],
  ["fct_listen", "fct_listens"],
  ["listens", "fct_listens"],
  ["stg_user", "stg_users"],
])("for %s the nearest name is %s", (name, nearest) => {
  expect(nearestNames(name, NAMES)[0]).toBe(nearest);
});

test("a name with one slip comes before one that only holds the word", () => {
  expect(nearestNames("mart", ["smart_home", "marts", "mart_of_all"])[0]).toBe("marts");
});

test("at most three names, each once", () => {
  expect(nearestNames("aa", ["ab", "ab", "ac", "ad", "ae"])).toEqual(["ab", "ac", "ad"]);
});

test("nothing near is no line", () => {
  expect(nearestLine("something_else_entirely", NAMES)).toEqual([]);
});
