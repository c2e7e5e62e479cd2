import { countText, secondsText } from "./format.ts";
import { type Answer, type Facts, VERDICTS, type Verdict } from "./report.ts";

/** What somebody who is responsible asks in the morning. */
export function answersOf(facts: Facts): Answer[] {
  return [didItRun(facts), wereThereErrors(facts), didItTakeLonger(facts), isTheDataAsExpected(facts)];
}

/** The worst that is known; unknown when nothing is. */
export function worstOf(answers: readonly Answer[]): Verdict {
  const order: readonly Verdict[] = ["bad", "warning", "good", "unknown"];
  return order.find((verdict) => answers.some((answer) => answer.verdict === verdict)) ?? VERDICTS[3];
}

function total<T>(list: readonly T[], of: (one: T) => number): number {
  return list.reduce((sum, one) => sum + of(one), 0);
}

/** `1 run`, `2 runs`; undefined for none, to be left out. */
function some(count: number, noun: string, rest = ""): string | undefined {
  return count === 0
    ? undefined
    : `${countText(count)} ${noun}${count === 1 || noun === "" ? "" : "s"}${rest}`;
}

function joined(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined).join(", ");
}

function didItRun({ runs }: Facts): Answer {
  const question = "Did it run?";
  const [done, failed, missed] = [
    total(runs, (one) => one.done),
    total(runs, (one) => one.failed),
    total(runs, (one) => one.missed),
  ];
  const open = total(runs, (one) => one.open);
  if (done + failed + missed === 0)
    return { question, verdict: "bad", text: open > 0 ? "nothing has ended yet" : "nothing ran" };
  // What failed and went well after that has run.
  const down = runs.filter(({ last_status }) => last_status !== null && last_status !== "success");
  const verdict = down.length > 0 || done === 0 ? "bad" : failed + missed > 0 ? "warning" : "good";
  const text = joined(
    `${some(done, "run") ?? "no run"} done`,
    failed === 0 ? undefined : `${countText(failed)} failed`,
    missed === 0 ? undefined : `${countText(missed)} missed`,
  );
  const still = down.length === 0 ? "" : `; last failed: ${down.map(({ name }) => name).join(", ")}`;
  return { question, verdict, text: text + still };
}

function wereThereErrors({ problems, tests, incidents }: Facts): Answer {
  const question = "Were there errors or warnings?";
  const errors = total(problems, (one) => one.errors);
  const warnings = total(problems, (one) => one.warnings);
  const serious = incidents.filter(({ severity }) => severity !== "warning").length;
  const verdict = errors > 0 || serious > 0 ? "bad" : warnings + tests.warned > 0 ? "warning" : "good";
  const kinds = problems.filter((one) => one.errors > 0).map(({ kind }) => kind);
  const text = joined(
    some(errors, "error", kinds.length === 0 ? "" : ` (${kinds.join(", ")})`),
    some(warnings, "warning"),
    some(incidents.length, "open incident"),
  );
  return { question, verdict, text: text === "" ? "none" : text };
}

function didItTakeLonger({ runs }: Facts): Answer {
  const question = "Did it take longer than usual?";
  const known = runs.filter((one) => one.usual_seconds !== null && one.done > 0);
  if (known.length === 0)
    return { question, verdict: "unknown", text: "too few runs before to say what is usual" };
  const slow = known.filter((one) => one.slow > 0);
  if (slow.length === 0) return { question, verdict: "good", text: "no" };
  const text = slow
    .map(
      ({ name, slow: count, done, usual_seconds, longest_seconds }) =>
        `${name}: ${countText(count)} of ${countText(done)}, up to ${secondsText(longest_seconds)} (usual ${secondsText(usual_seconds)})`,
    )
    .join("; ");
  return { question, verdict: "warning", text };
}

/** A stretch of time that brings less than this share of what is usual is told. */
const LEAST_SHARE = 0.5;

function isTheDataAsExpected({ tests, streams }: Facts): Answer {
  const question = "Is the data as expected?";
  const bad = tests.failed + tests.errors;
  const fresh = tests.failing.filter(({ is_new, status }) => is_new && status !== "warn").length;
  const quarantined = total(streams, (one) => one.quarantined);
  const few = streams.filter(
    ({ usual, new: added, changed }) => usual !== null && added + changed < LEAST_SHARE * usual,
  );
  const known = tests.passed + tests.warned + bad;
  const text = joined(
    bad === 0 ? undefined : `${some(bad, "test")} failing${fresh === 0 ? "" : ` (${countText(fresh)} new)`}`,
    some(tests.warned, "test", tests.warned === 1 ? " warns" : " warn"),
    some(quarantined, "record", " in quarantine"),
    few.length === 0 ? undefined : `less than usual of ${few.map(({ name }) => name).join(", ")}`,
  );
  if (text !== "") return { question, verdict: bad > 0 ? "bad" : "warning", text };
  if (known === 0) return { question, verdict: "unknown", text: "no test ran" };
  return { question, verdict: "good", text: `${some(tests.passed, "test")} passed` };
}
