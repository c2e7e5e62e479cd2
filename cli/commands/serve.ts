import { once } from "node:events";
import { environmentValue } from "../../core/config.ts";
import { describeError, EXIT, projectErrorsOf } from "../../core/errors.ts";
import { TOKEN_VARIABLES } from "../../core/run-environment.ts";
import { type Recommender, startRecommender } from "../../reco/serve/recommender.ts";
import { readRecoSettings } from "../../reco/settings.ts";
import { openState, type StateDatabase } from "../../state/database.ts";
import { isLoopback } from "../../web/server.ts";
import type { ServingAccess } from "../../web/serving/admission.ts";
import { startServing } from "../../web/serving/server.ts";
import { packageVersion } from "../invocation.ts";
import type { Outcome } from "../outcome.ts";
import type { Terminal } from "../terminal.ts";
import { ownerOf, type Workspace } from "../workspace.ts";

export interface ServeOptions {
  port: number;
  host: string;
}

/** `run serve`: recommendations over HTTP, until a signal; then what is being answered is finished. */
export async function runServe(
  workspace: Workspace,
  terminal: Terminal,
  options: ServeOptions,
): Promise<Outcome> {
  const { ctx, folders } = workspace;
  const access = servingAccess(workspace, options.host);
  const state = openState(folders.stateFile, ownerOf(workspace));
  let recommender: Recommender | undefined;
  try {
    recommender = await openRecommender(workspace, state);
    const onFault = faultTeller(workspace);
    const server = await startServing({ version: packageVersion(), recommender, access, onFault }, options);
    terminal.stdout.write(`${server.url}\n`);
    tellServing(workspace, recommender);
    if (!ctx.signal.aborted) await once(ctx.signal, "abort");
    await server.stop();
    return { exitCode: EXIT.ok, summary: "stopped", text: "", json: {}, isServed: true };
  } finally {
    await recommender?.close();
    await state.destroy();
  }
}

/** What answers recommendations. Throws FEEDBACK_UNREADABLE (exit 4). */
export function openRecommender(workspace: Workspace, state: StateDatabase): Promise<Recommender> {
  const { ctx, folders, project } = workspace;
  const { serving, feedbackFile } = folders;
  return startRecommender(ctx, {
    settings: readRecoSettings(project.file),
    state,
    folders: { projectDir: ctx.projectDir, serving, feedbackFile },
  });
}

/** Who may call the serving API: tokens as for the server of `run up`. */
export function servingAccess({ ctx, project }: Workspace, host: string): ServingAccess {
  const token = environmentValue(ctx.env, TOKEN_VARIABLES.full);
  const readToken = environmentValue(ctx.env, TOKEN_VARIABLES.read);
  for (const secret of [token, readToken]) if (secret !== undefined) ctx.secrets.add(secret);
  const { requests_per_second: requestsPerSecond } = readRecoSettings(project.file).serving;
  return { token, readToken, isLoopback: isLoopback(host), requestsPerSecond, now: () => performance.now() };
}

/** Writes into the log what callers are not told. */
export function faultTeller({ ctx }: Workspace): (error: unknown) => void {
  return (error) => {
    const known = projectErrorsOf(error).map(describeError).join("\n");
    const bug = error instanceof Error ? (error.stack ?? error.message) : String(error);
    ctx.log.warn("serving_fault", known === "" ? bug : known);
  };
}

function tellServing({ ctx }: Workspace, recommender: Recommender): void {
  const { problems } = recommender.health();
  const text = recommender.isReady()
    ? "recommendations are served; /v1/docs says how to ask, Ctrl-C stops it"
    : `not ready: ${problems.join("; ")}`;
  ctx.log.info("serving_started", text);
}
