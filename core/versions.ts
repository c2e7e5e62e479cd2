import { EXIT, ProjectError } from "./errors.ts";

/** Whether a version such as `v1.5.5` or `20.19.0-rc.1` is `minimum` or newer. */
export function isAtLeast(version: string, minimum: string): boolean {
  const [found, wanted] = [numbersOf(version), numbersOf(minimum)];
  const different = wanted.findIndex((number, index) => (found[index] ?? 0) !== number);
  return different < 0 || (found[different] ?? 0) > (wanted[different] ?? 0);
}

function numbersOf(version: string): number[] {
  const [, core = ""] = /^v?(\d+(?:\.\d+)*)/.exec(version) ?? [];
  return core.split(".").map(Number);
}

export interface RequiredVersion {
  /** As a person calls it. */
  name: string;
  /** On npm. */
  packageName: string;
  minimum: string;
  /** What goes wrong with older ones. */
  why: string;
}

/** Throws VERSION_TOO_OLD (exit 4) when `version` is older than the required one. */
export function requireVersion(version: string, { name, packageName, minimum, why }: RequiredVersion): void {
  if (isAtLeast(version, minimum)) return;
  throw new ProjectError("VERSION_TOO_OLD", {
    message: `${name} ${version.replace(/^v/, "")} is too old: sillon needs ${minimum} or newer`,
    where: packageName,
    why: [why],
    hint: "install sillon's own packages again: npm ci in a checkout, npm install sillon elsewhere",
    exitCode: EXIT.environment,
  });
}

/** https://nodejs.org/en/about/previous-releases: the day after which a line gets no more fixes. */
const NODE_ENDS: Readonly<Record<string, string>> = {
  20: "2026-04-30",
  21: "2024-06-01",
  22: "2027-04-30",
  23: "2025-06-01",
  24: "2028-04-30",
  25: "2026-06-01",
  26: "2029-04-30",
};

/** The day on which the maintenance of a Node version ended; undefined when it goes on, or is not known to end. */
export function endOfNode(version: string, now: Date): string | undefined {
  const end = NODE_ENDS[version.replace(/^v/, "").split(".")[0] ?? ""];
  return end !== undefined && now.toISOString().slice(0, 10) > end ? end : undefined;
}
