import { expect, test } from "vitest";
import { elementsOf, findJsonError, membersOf } from "../../ingest/records/json-text.ts";

const VALUES = [
  "1.10",
  "-0",
  "1e5",
  "true",
  "null",
  '""',
  '"a\\"]},\\\\"',
  "[]",
  "{}",
  '[[1,{"a":"]"}],{}]',
  '{ "x" : [ "}" ] }',
];

test("cuts the elements of an array out exactly, whatever stands between them", () => {
  for (const gap of ["", " ", "\n\t "]) {
    const text = `[${gap}${VALUES.join(`${gap},${gap}`)}${gap}]`;
    expect(elementsOf(text, 0).map(({ start, end }) => text.slice(start, end))).toEqual(VALUES);
  }
  expect(elementsOf("[ ]", 0)).toEqual([]);
});

test("cuts the members of an object out exactly, their names read", () => {
  const text = `{ ${VALUES.map((value, index) => `"n\\u0061${index}" : ${value}`).join(" , ")} }`;
  const members = membersOf(text, 0);
  expect(members.map(({ start, end }) => text.slice(start, end))).toEqual(VALUES);
  expect(members[1]?.name).toBe("na1");
});

test.each([
  ["", 0],
  ["<html>", 0],
  ['{"a":1', 6],
  ['{"a":1}}', 7],
  ['{"a":1} x', 8],
  ['{"a" 1}', 5],
  ['{"a":1,}', 7],
  ["[1,]", 3],
  ["[1 2]", 3],
  ["[01]", 2],
  ['["a]', 1],
  ["[tru]", 1],
  ['{"a":[1}]', 7],
])("finds where %j stops being JSON", (text, position) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(findJsonError(text)).toBe(position);
});
