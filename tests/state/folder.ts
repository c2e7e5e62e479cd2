import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type Context, createContext } from "../../core/context.ts";

/** A context in a temporary folder, whose clock passes over every wait. */
export function temporaryContext(options: { onSleep?: () => void; signal?: AbortSignal } = {}): {
  ctx: Context;
  messages: string[];
} {
  const projectDir = mkdtempSync(join(tmpdir(), "sillon-state-"));
  onTestFinished(() => rmSync(projectDir, { recursive: true, force: true }));
  const messages: string[] = [];
  let now = Date.UTC(2026, 0, 15, 12);
  const ctx = createContext({
    projectDir,
    env: {},
    sink: ({ message }) => messages.push(message),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    clock: {
      now: () => new Date(now),
      sleep: async (ms, signal) => {
        now += ms;
        options.onSleep?.();
        signal.throwIfAborted();
      },
    },
  });
  return { ctx, messages };
}
