import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

const CALLS =
  "openat,creat,write,pwrite64,writev,pwritev,pwritev2,copy_file_range,sendfile,ftruncate,fallocate,fsync,fdatasync," +
  "rename,renameat,renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,sendto,sendmsg";

/** Why system calls cannot be traced here; undefined when they can. */
export function whyNoTrace(): string | undefined {
  const { status, stderr, error } = spawnSync(
    "strace",
    ["-D", "-f", "--seccomp-bpf", "-e", "trace=fsync", "true"],
    {
      encoding: "utf8",
    },
  );
  if (status === 0) return undefined;
  return `system calls cannot be traced with strace: ${error?.message ?? stderr.trim()}`;
}

export interface Traced {
  child: ChildProcess;
  /** What was called, once the process has ended. */
  calls(): Promise<string>;
}

/** The compiled command line under strace, which leaves the process its own number. */
export function startTraced(
  args: readonly string[],
  { cwd, env = {}, trace }: { cwd: string; env?: Record<string, string>; trace: string },
): Traced {
  const { PATH = "", HOME = "", TMPDIR = tmpdir() } = process.env;
  const options = ["-D", "-f", "-y", "-q", "--seccomp-bpf", "-s", "64", "-e", `trace=${CALLS}`, "-o", trace];
  const child = spawn("strace", [...options, process.execPath, MAIN, ...args], {
    cwd,
    // Writes through a ring of the kernel's would not be seen.
    env: { PATH, HOME, TMPDIR, UV_USE_IO_URING: "0", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return {
    child,
    calls: async () => {
      if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
      const end = new RegExp(`^${child.pid} +\\+\\+\\+ `, "m");
      for (let wait = 0; wait < 200; wait++) {
        const text = existsSync(trace) ? readFileSync(trace, "utf8") : "";
        if (end.test(text)) return text;
        await delay(25);
      }
      throw new Error("strace did not tell of the end of the process");
    },
  };
}

/** What the order of writes was. */
export interface Order {
  /** Durable files that were written. */
  files: Set<string>;
  confirmations: number;
  missingSyncs: string[];
  early: string[];
  missingFolderSyncs: string[];
}

interface FileState {
  writes: number;
  /** How many of them are on the disk. */
  synced: number;
}

export interface OrderOptions {
  /** The project: files outside it are no concern. */
  folder: string;
  /** What was there before. */
  known: ReadonlySet<string>;
  isDurable: (path: string) => boolean;
  /** The file whose sync confirms to whoever asks later that all before it was done. */
  record?: string;
}

/** Every path in the folder. */
export function pathsIn(folder: string): Set<string> {
  return new Set(readdirSync(folder, { recursive: true }).map((path) => join(folder, String(path))));
}

interface Call {
  pid: string;
  name: string;
  /** All after the opening parenthesis; of a call that has only begun, what is known by then. */
  text: string;
  isBegun: boolean;
  isEnded: boolean;
}

function callOf(line: string, open: Map<string, string>): Call | undefined {
  const [, pid = "", rest = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
  const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(rest);
  const text = resumed === null ? rest : `${open.get(pid) ?? ""}${resumed[1]}`;
  const found = /^(\w+)\((.*)$/.exec(text);
  if (found === null) return undefined;
  const [, name = "", after = ""] = found;
  const unfinished = /^(.*)<unfinished \.\.\.>$/.exec(rest);
  if (unfinished !== null) open.set(pid, unfinished[1] ?? "");
  return { pid, name, text: after, isBegun: resumed === null, isEnded: unfinished === null };
}

/** Follows the calls and looks, whenever something is confirmed and at the end, for what is not on the disk by then. */
export function orderOfWrites(calls: string, { folder, known, isDurable, record }: OrderOptions): Order {
  const files = new Map<string, FileState>();
  const paths = new Set(known);
  /** Names that their folder has only in memory. */
  const fresh = new Set<string>();
  const syncing = new Map<string, { writes: number; names: string[] }>();
  const order: Order = {
    files: new Set(),
    confirmations: 0,
    missingSyncs: [],
    early: [],
    missingFolderSyncs: [],
  };
  const short = (path: string) => relative(folder, path);
  const stateOf = (path: string) => {
    const state = files.get(path) ?? { writes: 0, synced: 0 };
    files.set(path, state);
    return state;
  };
  const counts = (path: string) => path.startsWith(`${folder}/`) && isDurable(short(path));
  const named = (path: string) => {
    if (!paths.has(path) && path.startsWith(`${folder}/`)) fresh.add(path);
    paths.add(path);
  };
  const gone = (path: string) => {
    for (const set of [paths, fresh]) set.delete(path);
    files.delete(path);
  };
  const unsynced = () => [...files].filter(([, { writes, synced }]) => synced < writes).map(([path]) => path);
  /** Names of what was written, and of the folders above it. */
  const unnamed = () => {
    const found = new Set<string>();
    for (const path of paths)
      if (counts(path) && files.has(path))
        for (let part = path; part.length > folder.length; part = dirname(part))
          if (fresh.has(part)) found.add(part);
    return [...found];
  };
  const confirm = (what: string, isConcerned: (path: string) => boolean = () => true) => {
    order.confirmations++;
    for (const path of [...unsynced(), ...unnamed()].filter(isConcerned))
      order.early.push(`${short(path)} is not on the disk at ${what}`);
  };
  const written = (path: string | undefined) => {
    if (path === undefined || !counts(path)) return;
    order.files.add(short(path));
    stateOf(path).writes++;
  };
  let early: string[] = [];

  const begun = ({ pid, name, text }: Call) => {
    const path = descriptorOf(text);
    if (/^f(data)?sync$/.test(name) && path !== undefined)
      syncing.set(pid, {
        writes: files.get(path)?.writes ?? 0,
        names: [...fresh].filter((one) => dirname(one) === path),
      });
    if (name.startsWith("write") && /^1<(pipe|socket|UNIX)/.test(text)) confirm("an answer on stdout");
    if (/^(write|writev|sendto|sendmsg)$/.test(name) && /^\d+<(socket|TCP)/.test(text))
      if (/HTTP\/1\.1 201/.test(text)) confirm("an answer 201", (one) => /feedback\.db/.test(one));
  };

  const ended = ({ pid, name, text }: Call) => {
    if (/ = -1 /.test(text)) return;
    const path = descriptorOf(text);
    const [from, to] = pathArguments(text, folder);
    if (name === "openat" || name === "creat") {
      const opened = / = \d+<(.*)>$/.exec(text)?.[1];
      if (opened === undefined || !(name === "creat" || text.includes("O_CREAT"))) return;
      named(opened);
      if (text.includes("O_TRUNC") && counts(opened)) written(opened);
    } else if (/^f(data)?sync$/.test(name)) {
      const { writes, names } = syncing.get(pid) ?? { writes: 0, names: [] };
      const state = path === undefined ? undefined : files.get(path);
      if (state !== undefined) state.synced = Math.max(state.synced, writes);
      for (const one of names) fresh.delete(one);
      if (path !== undefined && path === record)
        early = [...unsynced(), ...unnamed()].filter((one) => !one.startsWith(record.replace(/-wal$/, "")));
    } else if (/^(rename|renameat2?)$/.test(name) && from !== undefined && to !== undefined) {
      const state = files.get(from);
      const isNotCopied = state !== undefined && state.synced < state.writes;
      if (isNotCopied && counts(to))
        order.missingSyncs.push(`${short(to)} got its name before its content was on the disk`);
      gone(from);
      gone(to);
      if (counts(to)) {
        order.files.add(short(to));
        files.set(to, state ?? { writes: 0, synced: 0 });
      }
      named(to);
    } else if (/^link(at)?$/.test(name) && from !== undefined && to !== undefined) {
      if (counts(to)) files.set(to, stateOf(from));
      named(to);
    } else if (/^unlink(at)?$/.test(name) && from !== undefined) gone(from);
    else if (/^mkdir(at)?$/.test(name) && from !== undefined) named(from);
    else if (name === "copy_file_range") written(descriptorsOf(text)[1]);
    else if (/^(p?writev?2?|pwrite64|sendfile|ftruncate|fallocate)$/.test(name)) written(path);
  };

  const open = new Map<string, string>();
  for (const line of calls.split("\n")) {
    const call = callOf(line, open);
    if (call?.isBegun) begun(call);
    if (call?.isEnded) ended(call);
  }
  order.confirmations++;
  order.early.push(
    ...early.map((path) => `${short(path)} is not on the disk when the history has the end of the run`),
  );
  order.missingSyncs.push(...unsynced().map((path) => `${short(path)} was written and never synced`));
  order.missingFolderSyncs.push(...unnamed().map((path) => `the name of ${short(path)} was never synced`));
  return order;
}

/** The path behind the first descriptor. */
function descriptorOf(text: string): string | undefined {
  return descriptorsOf(text)[0];
}

function descriptorsOf(text: string): string[] {
  return [...text.matchAll(/(?:^|, )\d+<(\/[^>]*)>/g)].map(([, path = ""]) =>
    path.replace(/ \(deleted\)$/, ""),
  );
}

function pathArguments(text: string, folder: string): string[] {
  return [...text.matchAll(/(?:AT_FDCWD(?:<[^>]*>)?, )?"((?:[^"\\]|\\.)*)"/g)].map(([, path = ""]) =>
    resolve(folder, path),
  );
}
