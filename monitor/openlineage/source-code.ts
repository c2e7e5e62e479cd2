import { existsSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { pathToFileURL } from "node:url";
import { type Facet, facet } from "./event.ts";

/** Tells where a file of the project stands, in its repository where it has one. */
export type SourceCode = (file: string) => Facet;

/** Reads the repository that the project is in, without running git. */
export function sourceCodeOf(projectDir: string): SourceCode {
  const repository = findRepository(projectDir);
  return (file) => {
    const path = join(projectDir, file);
    if (repository === null)
      return facet("sourceCodeLocation", { type: "file", url: pathToFileURL(path).href });
    const { root, url: repoUrl, version, branch } = repository;
    const inside = relative(root, path).split(sep).join("/");
    const url = repoUrl === null ? pathToFileURL(path).href : `${repoUrl}/blob/${version}/${inside}`;
    return facet("sourceCodeLocation", { type: "git", url, repoUrl, path: inside, version, branch });
  };
}

interface Repository {
  root: string;
  /** As a browser opens it; null without a remote. */
  url: string | null;
  version: string;
  branch: string | null;
}

function findRepository(from: string): Repository | null {
  for (let root = from; ; root = dirname(root)) {
    const git = join(root, ".git");
    if (existsSync(git)) return statSync(git).isDirectory() ? readRepository(root, git) : null;
    if (dirname(root) === root) return null;
  }
}

function readRepository(root: string, git: string): Repository | null {
  const head = textOf(join(git, "HEAD"));
  const ref = /^ref: (.+)$/m.exec(head)?.[1];
  const version = ref === undefined ? head.trim() : commitOf(git, ref);
  if (!/^[0-9a-f]{40,64}$/.test(version)) return null;
  const remote = /\[remote "origin"\][^[]*?\burl = (\S+)/.exec(textOf(join(git, "config")))?.[1];
  return { root, url: webUrl(remote ?? ""), version, branch: ref?.replace(/^refs\/heads\//, "") ?? null };
}

function commitOf(git: string, ref: string): string {
  const own = textOf(join(git, ref)).trim();
  if (own !== "") return own;
  const packed = textOf(join(git, "packed-refs")).split("\n");
  return packed.find((line) => line.endsWith(` ${ref}`))?.split(" ")[0] ?? "";
}

function textOf(file: string): string {
  return existsSync(file) ? readFileSync(file, "utf8") : "";
}

/** `git@host:path.git` and `https://user:token@host/path.git` as `https://host/path`. */
function webUrl(remote: string): string | null {
  const ssh = /^(?:ssh:\/\/)?git@([^:/]+)[:/](.+?)(?:\.git)?$/.exec(remote);
  if (ssh !== null) return `https://${ssh[1]}/${ssh[2]}`;
  if (!/^https?:/.test(remote) || !URL.canParse(remote)) return null;
  const { origin, pathname } = new URL(remote);
  return `${origin}${pathname.replace(/\.git$/, "")}`;
}
