import { spawn } from "node:child_process";
import type { Environment } from "../core/context.ts";

/**
 * Shows a file in the browser: that of BROWSER, or the system's own. Resolves with whether a program for it was started;
 * does not wait until it ends.
 */
export function openFile(file: string, env: Environment): Promise<boolean> {
  const [program, args] = openerOf(file, env);
  return new Promise((resolve) => {
    const child = spawn(program, args, { detached: true, stdio: "ignore" });
    child.once("error", () => resolve(false));
    child.once("spawn", () => {
      child.unref();
      resolve(true);
    });
  });
}

function openerOf(file: string, { BROWSER }: Environment): [string, string[]] {
  if (BROWSER !== undefined && BROWSER !== "") return [BROWSER, [file]];
  if (process.platform === "darwin") return ["open", [file]];
  return process.platform === "win32" ? ["explorer", [file]] : ["xdg-open", [file]];
}
