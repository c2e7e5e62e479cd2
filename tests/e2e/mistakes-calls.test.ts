import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { expectHelpful, type Mistake, make } from "./mistakes.ts";

describe("a wrong call", () => {
  test.each<[string, Mistake]>([
    [
      "an unknown command",
      { args: "modles", where: "run: ", message: "unknown command 'modles'", help: "(Did you mean models?)" },
    ],
    [
      "an unknown option",
      {
        args: "models --selct marts",
        where: "run: ",
        message: "unknown option '--selct'",
        help: "(Did you mean --select?)",
      },
    ],
    [
      "no number",
      {
        args: "models --threads many",
        where: "run: ",
        message: "option '--threads <n>' argument 'many' is invalid",
        help: "a whole number of at least 1",
      },
    ],
    [
      "a number too small",
      {
        args: "history --limit 0",
        where: "run: ",
        message: "argument '0' is invalid",
        help: "a whole number of at least 1",
      },
    ],
    [
      "an option without its value",
      { args: "models --target", where: "run: ", message: "argument missing", help: "see run --help" },
    ],
    [
      "no project",
      {
        args: "models --project-dir nowhere",
        where: "/",
        message: "no project.yml here",
        help: "--project-dir",
      },
    ],
    [
      "an unknown target",
      {
        args: "models --target prod",
        where: "profiles.yml",
        at: "outputs:",
        message: 'no target "prod"',
        help: "targets: dev",
      },
    ],
    [
      "variables that are no map",
      {
        args: "models --vars 5",
        where: "--vars",
        message: "is not a YAML map",
        help: "write --vars '{name: value}'",
      },
    ],
    [
      "variables that are no YAML",
      {
        args: "models --vars '{a: [}'",
        where: "--vars",
        message: "is not a YAML map",
        help: "write --vars '{name: value}'",
      },
    ],
    [
      "a selection of nothing",
      {
        args: "models --select mart",
        where: "--select",
        message: '"mart" matches nothing',
        help: "nearest names: marts",
      },
    ],
    [
      "an exclusion of nothing",
      {
        args: "test --exclude fct_listen",
        where: "--exclude",
        message: '"fct_listen" matches nothing',
        help: "nearest names: fct_listens",
      },
    ],
    [
      "an unknown method",
      {
        args: "models --select tagg:x",
        where: "--select",
        message: 'unknown method "tagg:"',
        help: "nearest names: tag",
      },
    ],
    [
      "a state that there is not",
      {
        args: "models --select state:modified --state nowhere",
        where: "/",
        message: "there is no manifest.json",
        help: "a copy of target/",
      },
    ],
    [
      "an unknown selector",
      {
        args: "test --selector nightly",
        where: "--selector",
        message: 'no selector "nightly"',
        help: "there is no selectors.yml",
      },
    ],
    [
      "an unknown kind of resource",
      {
        args: "ls --resource-type models",
        where: "run: ",
        message: "argument 'models' is invalid",
        help: "Allowed choices are model, source",
      },
    ],
    [
      "a query and a selection to compile",
      {
        args: "compile --inline 'select 1' --select marts",
        where: "run compile",
        message: "--inline goes with no selection",
        help: "leave one of them out",
      },
    ],
    [
      "a show of nothing",
      {
        args: "show",
        where: "run show",
        message: "name a model, seed, snapshot or source, or give --inline SQL",
        help: "run show fct_listens",
      },
    ],
    [
      "a show of an unknown model",
      {
        args: "show dim_user",
        where: "run show",
        message: 'no model, seed, snapshot or source "dim_user"',
        help: "nearest names: dim_users",
      },
    ],
    [
      "a show of an unknown ref",
      {
        args: "show --inline '{{ ref(\"dim_user\") }}'",
        where: "--inline:1:4",
        message: 'unknown model "dim_user"',
        help: "nearest names: dim_users",
      },
    ],
    [
      "a show of an unknown name",
      {
        args: "show --inline 'select {{ nope }}'",
        where: "--inline:1:11",
        message: 'unknown name "nope"',
        help: "docs/from-dbt.md",
      },
    ],
  ])("with %s is exit 2 and executes nothing", async (_, mistake) => {
    const result = await make(mistake);
    expect(result.exitCode).toBe(2);
    expectHelpful(result, mistake);
    expect(result.stdout).toBe("");
    expect(existsSync(join(result.cwd, "data/warehouse.duckdb"))).toBe(false);
  });
});

describe("a wrong call of ingest", () => {
  test.each<[string, Mistake]>([
    [
      "an unknown stream",
      { args: "ingest trakcs", where: "", message: 'unknown stream "trakcs"', help: "nearest names: tracks" },
    ],
    [
      "an address that is none",
      {
        args: "ingest",
        env: { MOOVITAMIX_URL: "localhost:8000" },
        where: "environment variable MOOVITAMIX_URL",
        message: "is not an http or https address",
        help: "set MOOVITAMIX_URL",
      },
    ],
  ])("with %s is exit 2 and loads nothing", async (_, mistake) => {
    const result = await make(mistake);
    expect(result.exitCode).toBe(2);
    expectHelpful(result, mistake);
    expect(result.stdout).toBe("");
  });
});
