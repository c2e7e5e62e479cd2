import { EXIT, ProjectError } from "../../core/errors.ts";
import { entitiesOf, type Features, readPastFeatures, readServedFeatures } from "../../reco/features/get.ts";
import { toCell } from "../answers.ts";
import type { Outcome } from "../outcome.ts";
import { formatTable } from "../print.ts";
import { withReco } from "../reco-step.ts";
import type { Terminal } from "../terminal.ts";
import type { Workspace } from "../workspace.ts";

export interface FeaturesOptions {
  user?: string;
  track?: string;
  asOf?: string;
}

/** `run features get`: what is known of a user, a track or both, now or as it was. Exit 1 when nothing is known of any. */
export async function runFeaturesGet(
  workspace: Workspace,
  terminal: Terminal,
  { asOf, ...who }: FeaturesOptions,
): Promise<Outcome> {
  const wanted = entitiesOf(who);
  const moment = asOf === undefined ? undefined : momentOf(asOf);
  const { now } = { now: workspace.ctx.clock.now().toISOString() };
  const served = moment === undefined ? readServedFeatures(workspace.folders.serving, wanted) : undefined;
  const features =
    served ??
    (await withReco(workspace, "run features get", ({ source }) =>
      readPastFeatures(source, wanted, moment ?? momentOf(now)),
    ));
  const known = features.filter(({ values }) => values !== null);
  return {
    exitCode: known.length === 0 ? EXIT.failed : EXIT.ok,
    summary: `features of ${known.length} of ${features.length}`,
    text: features.map((one) => formatFeatures(one, terminal, asOf)).join("\n\n"),
    json: {
      from: served === undefined ? "warehouse" : "serving",
      as_of: moment ?? null,
      features: features.map(({ values, ...one }) => ({ ...one, missing: values === null, values })),
    },
  };
}

/** A time in UTC as the warehouse writes it. Throws FEATURES_TIME (exit 2). */
function momentOf(text: string): string {
  const hasZone = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || /^\d{4}-\d\d-\d\d$/.test(text);
  const time = Date.parse(hasZone ? text : `${text.replace(" ", "T")}Z`);
  if (!Number.isNaN(time)) return new Date(time).toISOString().replace("T", " ").replace("Z", "");
  throw new ProjectError("FEATURES_TIME", {
    message: `"${text}" is no time`,
    where: "--as-of",
    hint: "write it as 2026-10-31 or 2026-10-31T12:00:00 (UTC)",
    exitCode: EXIT.usage,
  });
}

function formatFeatures(
  { entity, id, cutoff, values }: Features,
  { colors }: Terminal,
  asOf?: string,
): string {
  const name = `${entity.replace("_", " and ")} ${Object.values(id).join(", ")}`;
  if (values === null)
    return `${colors.bold(name)}: missing, nothing was known ${asOf === undefined ? "before the newest cut-off" : `at ${asOf}`}`;
  const rows = Object.entries(values).map(([feature, value]) => [feature, toCell(value)]);
  return `${colors.bold(name)}, known before ${cutoff}\n${formatTable(["feature", "value"], rows, colors)}`;
}
