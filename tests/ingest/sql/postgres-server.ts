import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

const DEBIAN = "/usr/lib/postgresql";

/** The folder of initdb and pg_ctl; undefined where PostgreSQL is not installed. */
export function postgresPrograms(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).sort().reverse() : [];
  const folders = [
    ...versions.map((version) => join(DEBIAN, version, "bin")),
    ...(process.env.PATH ?? "").split(":"),
  ];
  return folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "pg_ctl")));
}

export const WHY_SKIPPED = "PostgreSQL's programs are not installed (apt-get install postgresql)";

export interface PostgresServer {
  url: string;
  port: number;
  /** Runs statements as the server's owner. */
  sql(text: string): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

/** A server of its own on a free loopback port, in a temporary folder; user `owner`, password `owner-password`. */
export async function startPostgres(): Promise<PostgresServer> {
  const programs = postgresPrograms();
  if (programs === undefined) throw new Error(WHY_SKIPPED);
  const folder = mkdtempSync(join(tmpdir(), "sillon-postgres-"));
  const data = join(folder, "data");
  const run = runnerFor(folder, programs);
  const password = join(folder, "password");
  run("sh", ["-c", `echo owner-password > ${password}`]);
  const access = ["--auth-host=scram-sha-256", "--auth-local=trust", `--pwfile=${password}`];
  run("initdb", ["-D", data, "-U", "owner", "-E", "UTF8", "--locale=C", "--no-sync", ...access]);
  const port = await freePort();
  const options = `-p ${port} -h 127.0.0.1 -k ${folder} -c fsync=off -c shared_buffers=32MB`;
  run("pg_ctl", ["-D", data, "-l", join(folder, "log"), "-o", options, "-w", "start"]);
  const url = `postgres://owner:owner-password@127.0.0.1:${port}/postgres`;
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  return {
    url,
    port,
    sql: async (text) => {
      const result = await client.query(text);
      return Array.isArray(result) ? [] : result.rows;
    },
    stop: async () => {
      await client.end().catch(() => undefined);
      run("pg_ctl", ["-D", data, "-m", "immediate", "-w", "stop"]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** PostgreSQL does not run as root: then as the user that its package made, or as nobody. */
function runnerFor(folder: string, programs: string) {
  const isRoot = process.getuid?.() === 0;
  const idOf = (option: string) =>
    Number(spawnSync("id", [option, "postgres"], { encoding: "utf8" }).stdout || 65534);
  const user = isRoot ? { uid: idOf("-u"), gid: idOf("-g") } : {};
  if (user.uid !== undefined && user.gid !== undefined) chownSync(folder, user.uid, user.gid);
  chmodSync(folder, 0o700);
  return (program: string, args: string[]) => {
    const path = existsSync(join(programs, program)) ? join(programs, program) : program;
    // pg_ctl hands its output on to the server, which would keep a pipe open.
    const stdio = program === "pg_ctl" ? "ignore" : "pipe";
    const { status, stderr } = spawnSync(path, args, { cwd: folder, ...user, stdio, encoding: "utf8" });
    if (status !== 0) throw new Error(`${program} ended with ${status}: ${stderr ?? ""}`);
  };
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === "object" && address !== null ? address.port : 0;
}
