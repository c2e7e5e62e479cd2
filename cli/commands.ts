import type { Command } from "commander";
import { addGraphCommands } from "./commands-graph.ts";
import { addLoadCommands } from "./commands-load.ts";
import { addMonitorCommands } from "./commands-monitor.ts";
import { addReadCommands } from "./commands-read.ts";
import { addRecoCommands } from "./commands-reco.ts";
import { addScheduleCommands } from "./commands-schedule.ts";
import { addSetupCommands, addStandIn } from "./commands-setup.ts";
import type { Invocation } from "./invocation.ts";

/** Adds every command. Each loads what it needs when it is called, so that help and mistakes come at once. */
export function addCommands(program: Command, invocation: Invocation): void {
  addLoadCommands(program, invocation);
  addGraphCommands(program, invocation);
  addReadCommands(program, invocation);
  addScheduleCommands(program, invocation);
  addRecoCommands(program, invocation);
  addMonitorCommands(program, invocation);
  addSetupCommands(program, invocation);
  addStandIn(program, invocation);
}
