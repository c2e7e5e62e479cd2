import type { Context } from "../../core/context.ts";
import type { FileSourceDefinition } from "../../core/sillon.ts";
import type { BaseUrl } from "../http/base-url.ts";
import type { HostGate } from "../http/host-gate.ts";
import type { Tape } from "../recording/tape.ts";
import type { IngestSettings } from "../settings.ts";

/** What it takes to read a source's files. */
export interface FileParts {
  ctx: Context;
  source: FileSourceDefinition;
  settings: IngestSettings;
  gateFor(base: BaseUrl): HostGate;
  tape?: Tape | undefined;
}

/** What is to be read of one file. */
export interface FileContent {
  name: string;
  /** Unpacked. */
  bytes: AsyncIterable<Buffer>;
  /** On this machine, for what is not read from its first byte on. */
  path: string;
  maxBytes: number;
}
