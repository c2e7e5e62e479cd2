/** Moments at which a test may kill, fail or stall the program. */
export type FaultPoint =
  | "incremental.insert"
  | "transaction.commit"
  | "publish.table"
  | "publish.rename"
  | "artifacts.write"
  | "run.end";

/**
 * Does nothing. Under the condition `sillon-faults` of package.json, `#faults` is another file, of
 * `tests/cases/`, which does what the environment variable RUN_FAULT says.
 */
export function faultPoint(_name: FaultPoint): Promise<void> | undefined {
  return undefined;
}
