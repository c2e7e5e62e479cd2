import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { packageRoot } from "../core/config.ts";
import { EXIT, ProjectError } from "../core/errors.ts";
import { RUN_VARIABLES } from "../core/run-environment.ts";
import { sweepRun } from "../schedule/runs/child.ts";
import type { Workspace } from "./workspace.ts";

/** What runs a command as a process of its own: this program. */
export const PROGRAM = [process.execPath, join(packageRoot(), "dist/cli/main.js")];
export const API_URL = "MOOVITAMIX_URL";

/** New listening sessions a second. */
const GROWTH = 2;
const RESTART_MS = 2000;

/** A stand-in for the service as a child that grows, and is started again when it ends. */
export async function startStandIn({
  ctx,
}: Pick<Workspace, "ctx">): Promise<{ url: string; stop: () => void }> {
  const mark = `stand-in of ${ctx.projectDir}`;
  // One that outlived a former `run up`.
  sweepRun(mark);
  let isStopped = false;
  let child = spawnStandIn(mark, 0);
  const url = await firstLine(child);
  const keep = async () => {
    while (!isStopped) {
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      if (isStopped) return;
      ctx.log.warn("stand_in_restarted", "the stand-in has ended and is started again");
      await delay(RESTART_MS, undefined, { ref: false });
      if (!isStopped) child = spawnStandIn(mark, Number(new URL(url).port));
    }
  };
  void keep();
  const stop = () => {
    isStopped = true;
    child.kill("SIGTERM");
  };
  ctx.log.info(
    "stand_in_started",
    `Moovitamix stand-in on ${url}; it grows by ${GROWTH} listening sessions a second`,
  );
  return { url, stop };
}

function spawnStandIn(mark: string, port: number): ChildProcess {
  const [node = "", ...main] = PROGRAM;
  return spawn(node, [...main, "api", "--port", String(port), "--grow", String(GROWTH)], {
    env: { ...process.env, [RUN_VARIABLES.run]: mark },
    stdio: ["ignore", "pipe", "ignore"],
  });
}

/** What a child says first. Throws STAND_IN_ENDED (exit 4) when it ends without a word. */
export async function firstLine(child: ChildProcess): Promise<string> {
  if (child.stdout !== null) for await (const line of createInterface({ input: child.stdout })) return line;
  throw new ProjectError("STAND_IN_ENDED", {
    message: "the stand-in for the service ended at once",
    hint: "see what run api says",
    exitCode: EXIT.environment,
  });
}
