// The cases with their full numbers: `npm run cases`, or some of them: `npm run cases -- M-01 X-03`.
// `--seed N` repeats one, `--quick` takes the numbers of `npm test`.
import { parseArgs } from "node:util";
import { CASES } from "./all.ts";
import { runCase } from "./case.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: "string", default: "1" }, quick: { type: "boolean", default: false } },
});
const unknown = positionals.filter((id) => !CASES.some((one) => one.id === id));
if (unknown.length > 0)
  throw new Error(`no case ${unknown.join(", ")}: ${CASES.map(({ id }) => id).join(", ")}`);

for (const one of CASES) {
  if (positionals.length > 0 && !positionals.includes(one.id)) continue;
  const { line, failures, isPassed } = await runCase(
    one,
    values.quick ? "quick" : "full",
    Number(values.seed),
  );
  console.log(line);
  for (const failure of failures.slice(0, 20)) console.log(`  ${failure}`);
  if (!isPassed) process.exitCode = 1;
}
