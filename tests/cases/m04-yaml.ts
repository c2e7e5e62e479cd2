import type { Case } from "./case.ts";
import { runMalformed } from "./malformed.ts";
import { MALFORMED_YAML } from "./malformed-yaml.ts";

/** M-04: malformed YAML. */
export const malformedYaml: Case = {
  id: "M-04",
  run: (ground) =>
    runMalformed(ground, {
      list: MALFORMED_YAML,
      toFiles: ({ text }, index) => {
        const name = `m${index}`;
        const file = `models/${name}.yml`;
        // Each file describes a model and a source of its own.
        const own =
          typeof text === "string" ? text.replace(/\bmN\b/g, name).replace(/\bsN\b/g, `s${index}`) : text;
        return [
          file,
          { [file]: own, [`models/${name}.sql`]: "select 1 as a", "models/mN.sql": "select 1 as a" },
        ];
      },
    }),
};
