import type { Context } from "../../core/context.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { nearestLine } from "../../core/nearest.ts";
import { readTextFile } from "../../core/text-file.ts";
import type { YamlFile } from "../../core/yaml.ts";
import type { DocsBlock } from "../graph/nodes.ts";
import type { Mistakes } from "./collect.ts";
import { listFiles } from "./files.ts";
import type { Project } from "./project.ts";

const BLOCK = /\{%-?\s*docs\s+(\w+)\s*-?%\}(.*?)\{%-?\s*enddocs\s*-?%\}/gs;
/** Under which the ids of a description's blocks stand beside it. */
const DOC_BLOCKS = Symbol("docs blocks");

/** The ids of the docs blocks that `fillDescriptions` put into the description of `properties`. */
export function docBlocksOf(properties: object): { docBlocks?: readonly string[] } {
  const { [DOC_BLOCKS]: docBlocks } = properties as { [DOC_BLOCKS]?: readonly string[] }; // by fillDescriptions, if at all
  return docBlocks === undefined ? {} : { docBlocks };
}

const CALL = /\{\{\s*doc\(\s*(?:(['"])(\w+)\1\s*,\s*)?(['"])(\w+)\3\s*\)\s*\}\}/g;

/** The texts that Markdown files hold between `{% docs NAME %}` and `{% enddocs %}`. */
export function loadDocsBlocks(ctx: Context, project: Project, mistakes: Mistakes): DocsBlock[] {
  const blocks = new Map<string, DocsBlock>();
  for (const file of listFiles(ctx.projectDir, [...project.modelPaths, ...project.seedPaths], [".md"])) {
    const text = mistakes.attempt(() => readTextFile(ctx.projectDir, file)) ?? "";
    for (const { 1: name = "", 2: contents = "", index } of text.matchAll(BLOCK)) {
      const former = blocks.get(name);
      if (former !== undefined) mistakes.add(blockTwice(name, lineOf(file, text, index), former));
      blocks.set(name, { id: `doc.${project.name}.${name}`, name, file, contents: contents.trim() });
    }
  }
  return [...blocks.values()];
}

/** Puts the blocks in the place of `{{ doc('NAME') }}` in every description of the value. */
export function fillDescriptions(
  value: unknown,
  at: { file: YamlFile; path: PropertyKey[] },
  given: { blocks: readonly DocsBlock[]; mistakes: Mistakes },
): void {
  if (typeof value !== "object" || value === null) return;
  const level = value as Record<string, unknown>; // lists and maps are read alike
  for (const [key, part] of Object.entries(level)) {
    const path = [...at.path, Array.isArray(value) ? Number(key) : key];
    if (key !== "description" || typeof part !== "string")
      fillDescriptions(part, { file: at.file, path }, given);
    else if (part.includes("{{")) {
      const filled = fillText(part, at.file.locate(path), given);
      Object.assign(level, { [key]: filled.text, [DOC_BLOCKS]: filled.blocks });
    }
  }
}

function fillText(
  text: string,
  where: string,
  { blocks, mistakes }: { blocks: readonly DocsBlock[]; mistakes: Mistakes },
): { text: string; blocks: string[] } {
  const ids = new Set<string>();
  const filled = text.replace(CALL, (call, _q, _package, _quote, name: string) => {
    const block = blocks.find((candidate) => candidate.name === name);
    if (block === undefined) mistakes.add(blockUnknown(name, where, blocks));
    else ids.add(block.id);
    return block?.contents ?? call;
  });
  return { text: filled, blocks: [...ids] };
}

function lineOf(file: string, text: string, index: number): string {
  return `${file}:${text.slice(0, index).split("\n").length}:1`;
}

function blockTwice(name: string, where: string, former: DocsBlock): ProjectError {
  return new ProjectError("DOC_DUPLICATE", {
    message: `docs block "${name}" exists twice`,
    where,
    why: [`the other file: ${former.file}`],
    hint: "rename one of them",
    exitCode: EXIT.usage,
  });
}

function blockUnknown(name: string, where: string, blocks: readonly DocsBlock[]): ProjectError {
  return new ProjectError("DOC_UNKNOWN", {
    message: `unknown docs block "${name}" in doc()`,
    where,
    why: nearestLine(
      name,
      blocks.map((block) => block.name),
    ),
    hint: `correct the name, or write {% docs ${name} %} … {% enddocs %} in a .md file below models/`,
    exitCode: EXIT.usage,
  });
}
