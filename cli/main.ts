#!/usr/bin/env node
import module from "node:module";
import v8 from "node:v8";

// Most commands end before optimized code repays its making: only what runs for long is optimized (bytes of bytecode).
// Of Node 20 alone: newer ones call it otherwise, or have no such flag, and say so on stderr.
if (process.versions.node.startsWith("20.")) v8.setFlagsFromString("--interrupt-budget=500000");

// Node 22 and newer keep compiled code between runs; 20 has no such cache.
(module as { enableCompileCache?: () => void }).enableCompileCache?.();
// What a run writes is for its owner alone.
process.umask(0o077);

if (process.env.SILLON_RUN_LOG_BYTES !== undefined) {
  const { capOutput } = await import("./cap-output.ts");
  capOutput(process, Number(process.env.SILLON_RUN_LOG_BYTES));
}

const { runCommandLine } = await import("./program.ts");
process.exitCode = await runCommandLine(process.argv.slice(2), process);
