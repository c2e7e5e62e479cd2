import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";

function invalid(
  message: string,
  where: string,
  { why = [], hint }: { why?: string[]; hint: string },
): ProjectError {
  return new ProjectError("SELECTION_INVALID", { message, where, why, hint, exitCode: EXIT.usage });
}

/** Matches nothing: a misspelt name must not pass for a finished job. */
export function emptySelection(criterion: string, where: string, why: string[]): ProjectError {
  return new ProjectError("SELECTION_EMPTY", {
    message: `"${criterion}" matches nothing`,
    where,
    why,
    hint: "give the name of a model or a folder, tag:NAME, or path:models/…",
    exitCode: EXIT.usage,
  });
}

export function aroundWithChildren(criterion: string, where: string): ProjectError {
  return invalid(`"${criterion}" has both @ and a + at its end`, where, {
    hint: "remove the +: @ takes the descendants already, and all that they need",
  });
}

export function unknownMethod(
  criterion: { text: string; method: string; where: string },
  known: readonly string[],
): ProjectError {
  return invalid(`unknown method "${criterion.method}:" in "${criterion.text}"`, criterion.where, {
    why: nearestLine(criterion.method, known),
    hint: `known methods: ${known.join(", ")}`,
  });
}

/** A value that its method never has, such as `state:changed`. */
export function unknownValue(
  criterion: { text: string; value: string; where: string },
  known: readonly string[],
): ProjectError {
  return invalid(`unknown value "${criterion.value}" in "${criterion.text}"`, criterion.where, {
    why: nearestLine(criterion.value, known),
    hint: `known values: ${known.join(", ")}`,
  });
}

export function stateNotGiven(criterion: { text: string; where: string }): ProjectError {
  return invalid(`"${criterion.text}" compares with a former run, and none is given`, criterion.where, {
    hint: "add --state FOLDER: a copy of the target/ folder of that run",
  });
}

export function unknownSelector(name: string, where: string, known: readonly string[]): ProjectError {
  return new ProjectError("SELECTOR_UNKNOWN", {
    message: `no selector "${name}"`,
    where,
    why: nearestLine(name, known),
    hint:
      known.length === 0
        ? "there is no selectors.yml: write one, or use --select"
        : `selectors of selectors.yml: ${known.join(", ")}`,
    exitCode: EXIT.usage,
  });
}

export function selectorCircle(names: readonly string[], where: string): ProjectError {
  return invalid("these selectors name each other in a circle", where, {
    why: [names.join(" -> ")],
    hint: "remove one of these references",
  });
}

export function selectorWithSelect(): ProjectError {
  return invalid("--selector goes with neither --select nor --exclude", "--selector", {
    hint: "leave one of them out, or write --select selector:NAME,…",
  });
}
