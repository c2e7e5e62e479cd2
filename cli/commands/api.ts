import { once } from "node:events";
import { EXIT, type ExitCode } from "../../core/errors.ts";
import { parseFaults } from "../../moovitamix/faults.ts";
import { startApi } from "../../moovitamix/server.ts";
import type { Terminal } from "../terminal.ts";

export interface ApiCommandOptions {
  port: number;
  seed: number;
  users: number;
  tracks: number;
  plays: number;
  rateLimit?: number;
  grow?: number;
  faults?: string;
}

/** `run api`: the stand-in service, until it is stopped by a signal. */
export async function runApi(terminal: Terminal, options: ApiCommandOptions): Promise<ExitCode> {
  const { port, seed, users, tracks, plays, rateLimit, grow, faults } = options;
  const api = await startApi({
    port,
    seed,
    users,
    tracks,
    plays,
    ...(rateLimit === undefined ? {} : { rateLimit }),
    ...(grow === undefined ? {} : { grow }),
    ...(faults === undefined ? {} : { faults: parseFaults(faults) }),
  });
  const { data } = api;
  terminal.story.write({
    level: "info",
    event: "stand_in_started",
    message: `Moovitamix stand-in with ${data.tracks.length} tracks, ${data.users.length} users, ${data.listen_history.length} history records; Ctrl-C stops it`,
    fields: {},
  });
  terminal.stdout.write(`${api.url}\n`);
  if (!terminal.signal.aborted) await once(terminal.signal, "abort");
  await api.stop();
  return EXIT.ok;
}
