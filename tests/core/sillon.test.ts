import { defineMacro } from "sillon";
import { expect, test } from "vitest";
import { z } from "zod";

test("a macro's arguments have the types of their schemas", () => {
  const cents = defineMacro({
    arguments: { column: z.string(), digits: z.number().default(2) },
    sql: ({ column, digits }) => `round(${column.trim()}, ${digits.toFixed()})`,
  });
  expect(Object.keys(cents.arguments)).toEqual(["column", "digits"]);
});
