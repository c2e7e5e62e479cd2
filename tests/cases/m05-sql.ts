import type { Case } from "./case.ts";
import type { Files } from "./folders.ts";
import { runMalformed } from "./malformed.ts";
import { MALFORMED_SQL } from "./malformed-sql.ts";

/** M-05: malformed SQL and templates. */
export const malformedSql: Case = {
  id: "M-05",
  run: (ground) =>
    runMalformed(ground, {
      list: MALFORMED_SQL.map((one, index) => ({ ...one, hint: one.hint.replace(/\bmN/g, `m${index}`) })),
      toFiles: ({ text, beside }, index) => {
        const own = (part: string) => part.replace(/\bmN/g, `m${index}`).replace(/\bMN/g, `M${index}`);
        const file = `models/m${index}.sql`;
        const files: Files = {
          [file]: own(String(text)),
          ...Object.fromEntries(
            Object.entries(beside ?? {}).map(([name, content]) => [own(name), own(String(content))]),
          ),
        };
        return [file, files];
      },
    }),
};
