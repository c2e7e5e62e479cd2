import { expect, test } from "vitest";
import { isPartOf, profilesElsewhere, watchError } from "../../cli/watch-files.ts";
import { loadProject } from "../../runner/project/project.ts";
import { createProject } from "../runner/project.ts";

test("files of the project's folders and its settings are its parts, all else is not", () => {
  const project = loadProject(createProject({}).ctx);
  const isPart = (path: string) => isPartOf(project, path);
  const parts = [
    "project.yml",
    "models/a/b.sql",
    "models/a.yml",
    "seeds/c.csv",
    "macros/m.hbs",
    "macros/m.ts",
  ];
  expect(parts.filter((path) => !isPart(path))).toEqual([]);
  expect(isPart("tests/generic/above.sql") && isPart("../.dbt/profiles.yml")).toBe(true);
  const others = [
    "target/compiled/a.sql",
    "notes.md",
    "models/a.sql~",
    "models/.a.sql.swp",
    "ingest/sources/a.ts",
  ];
  expect(others.filter(isPart)).toEqual([]);
});

test("without settings that can be read any file of a kind that projects have may heal them", () => {
  expect(isPartOf(undefined, "transform/a.sql")).toBe(true);
  expect(isPartOf(undefined, "transform/a.parquet")).toBe(false);
});

test("profiles outside of the project are watched where they may be read", () => {
  const env = { HOME: "/home/ada", DBT_PROFILES_DIR: "profiles" };
  expect(profilesElsewhere("/shop", { profilesDir: "..", cwd: "/shop/models", env })).toEqual([
    "/shop/profiles/profiles.yml",
    "/home/ada/.dbt/profiles.yml",
  ]);
});

test("what cannot be watched says what the system refused, and the way out", () => {
  const error = watchError("/shop", new Error("ENOSPC: System limit for number of file watchers reached"));
  expect(error).toMatchObject({
    code: "WATCH_FAILED",
    message: "the project's files cannot be watched",
    where: "/shop",
    why: ["ENOSPC: System limit for number of file watchers reached"],
    exitCode: 4,
  });
  expect(error.hint).toContain("fs.inotify.max_user_watches");
});
