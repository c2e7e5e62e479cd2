import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectErrorsOf } from "../../core/errors.ts";
import { createProject, mistakesIn, mistakesOf } from "./project.ts";

const M = "models/m.sql";

test.each<[string, Record<string, string>, string, string]>([
  ["TEMPLATE_UNCLOSED", { [M]: "select {{ var('a', 1) as a" }, '"{{" is never closed', 'add "}}"'],
  [
    "TEMPLATE_BLOCK",
    { [M]: "select 1 {{#if target.name}}" },
    "{{#if}} is never closed",
    "needs its {{/name}}",
  ],
  [
    "MACRO_UNREADABLE",
    { "macros/f.ts": "export const f = ;\n" },
    "cannot be loaded",
    "TypeScript that exports macros",
  ],
  [
    "MACRO_INVALID",
    { "macros/f.ts": "export const f = { arguments: { a: 1 }, sql: () => '' };" },
    'macro "f" is not defined as it has to be',
    "correct these members",
  ],
  [
    "MACRO_HEADER",
    { "macros/f.hbs": "{{!-- arguments: 1a, --}}\nselect 1" },
    "the arguments of macro",
    "write names, with literal defaults",
  ],
  [
    "MACRO_CYCLE",
    { "macros/f.hbs": "{{ g() }}", "macros/g.hbs": "{{ f() }}" },
    "call each other in a circle",
    "remove one of these calls",
  ],
])("%s says what is wrong and what to do", (code, files, message, hint) => {
  const mistake = mistakesIn(files).find((one) => one.code === code);
  expect(mistake).toMatchObject({
    exitCode: 2,
    where: expect.stringMatching(/^(models|macros)\//),
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });
});

test("FILE_OUTSIDE says that the file has to be copied", () => {
  const project = createProject({ "models/first.sql": "select 1" });
  symlinkSync("/etc/hostname", join(project.ctx.projectDir, "models/linked.sql"));
  expect(mistakesOf(project.scope)).toMatchObject([
    {
      code: "FILE_OUTSIDE",
      where: "models/linked.sql:1:1",
      message: "the file is a link that leads out of the project",
      hint: "copy the file into the project",
      exitCode: 2,
    },
  ]);
});

test("DISK_FULL is what the file system says, for exit 4", () => {
  const refused = Object.assign(new Error("ENOSPC: no space left on device, write"), {
    code: "ENOSPC",
    syscall: "write",
    path: "/data/x",
  });
  expect(projectErrorsOf(refused)).toMatchObject([
    {
      code: "DISK_FULL",
      where: "/data/x",
      message: "the disk is full",
      hint: expect.stringContaining("free some space"),
      exitCode: 4,
    },
  ]);
});
