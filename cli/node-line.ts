import type { Context } from "../core/context.ts";
import { endOfNode } from "../core/versions.ts";
import type { Terminal } from "./terminal.ts";

export const NEWER_NODE = "install a Node line that is maintained: https://nodejs.org";

/** That a Node line gets no more fixes. */
export function unmaintained(version: string, ended: string): string {
  return `Node ${version} gets no more security fixes since ${ended}`;
}

/** Tells a person who watches, once a start. What runs by itself has `run doctor`. */
export function warnOfNode({ log, clock }: Context, { stderr }: Pick<Terminal, "stderr">): void {
  const { node } = process.versions;
  const ended = stderr.isTty ? endOfNode(node, clock.now()) : undefined;
  if (ended !== undefined) log.warn("node_unmaintained", `${unmaintained(node, ended)}: ${NEWER_NODE}`);
}
