import type { CompiledNode } from "../../graph/compile.ts";
import type { ModelNode } from "../../graph/nodes.ts";
import type { BatchWindow, EventTimeRange } from "./batch-windows.ts";

export interface ModelWork {
  node: ModelNode;
  compiled: CompiledNode;
  isFullRefresh: boolean;
  /** The batches that the command line asks for. */
  eventTime?: EventTimeRange | undefined;
  /** Those that failed before, when only they are asked for. */
  batches?: readonly BatchWindow[] | undefined;
  /** Told which of the model's texts is run: errors count their places from its start. */
  onChosen: (ran: CompiledNode) => void;
}

export interface Built {
  /** Null for a view. */
  rows: number | null;
  /** Null when it was not built in batches. */
  batches: { successful: BatchWindow[]; failed: BatchWindow[] } | null;
  /** Of the first batch that failed. */
  failure: { error: unknown; ran: CompiledNode } | null;
}
