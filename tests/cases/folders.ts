import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export type Files = Readonly<Record<string, string | Uint8Array>>;

export interface Projects {
  /** A temporary project with these files, `project.yml` and `profiles.yml` among them when none are given. */
  make(files: Files): string;
  removeAll(): void;
}

export function temporaryProjects(): Projects {
  const made: string[] = [];
  return {
    make: (files) => {
      const folder = mkdtempSync(join(tmpdir(), "sillon-case-"));
      made.push(folder);
      writeFiles(folder, { ...PROJECT, ...files });
      return folder;
    },
    removeAll: () => {
      for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function writeFiles(folder: string, files: Files): void {
  for (const [file, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), content);
  }
}

/** The files that every project has. */
export const PROJECT: Files = {
  "project.yml": "name: shop\nschema_names: exact\npublish: {select: published}\n",
  "profiles.yml":
    "shop:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: data/warehouse.duckdb, schema: main, threads: 2}\n",
};
