import type { Pagination, RestStreamDefinition } from "../../core/sillon.ts";

interface Mistake {
  path: (string | number)[];
  message: string;
}

type StreamParts = Pick<
  RestStreamDefinition,
  | "name"
  | "path"
  | "mode"
  | "contract"
  | "method"
  | "body"
  | "format"
  | "params"
  | "parent"
  | "fromParent"
  | "onMissing"
> & { pagination?: Pagination };

/** Members of a stream that do not go together. */
export function requestMistakes(stream: StreamParts): Mistake[] {
  const mistakes: Mistake[] = [];
  const found = (path: string, message: string) => mistakes.push({ path: [path], message });
  if (stream.method === "GET" && stream.body !== undefined) found("body", 'of use only with method: "POST"');
  const holes = placeholdersOf(stream);
  if (stream.parent === undefined) {
    if (holes.length > 0) found("path", `{${holes[0]}} is a member of a parent's record: expected a parent`);
    for (const member of ["fromParent", "onMissing"] as const)
      if (stream[member] !== undefined) found(member, "of use only with a parent");
  } else {
    if (holes.length === 0) found("path", "expected a member of the parent's record, such as {id}");
    if (stream.contract?.rows?.announced !== undefined)
      found("contract", "rows.announced: the lists of a stream with a parent have no common total");
  }
  return mistakes;
}

/** The members of the parent's record that a stream's path and parameters name. */
export function placeholdersOf({
  path,
  params = {},
}: Pick<RestStreamDefinition, "path" | "params">): string[] {
  const texts = [path, ...Object.values(params).filter((value) => typeof value === "string")];
  return texts.flatMap((text) => [...text.matchAll(/\{([^{}]+)\}/g)].map(([, member = ""]) => member));
}

/** What is wrong between the streams of a source. */
export function sourceMistakes(source: {
  pagination?: Pagination;
  streams: readonly StreamParts[];
}): Mistake[] {
  return source.streams.flatMap((stream, index) => {
    const place = ["streams", index];
    return [...parentMistakes(source.streams, stream), ...pagingMistakes(source, stream)].map(
      ({ path, message }) => ({ path: [...place, ...path], message }),
    );
  });
}

function parentMistakes(streams: readonly StreamParts[], stream: StreamParts): Mistake[] {
  const seen = [stream.name];
  for (let { parent } = stream; parent !== undefined; ) {
    const name = parent;
    const next = streams.find((one) => one.name === name);
    if (next === undefined) {
      // Told at the stream that names it.
      return parent === stream.parent ? [{ path: ["parent"], message: `no stream "${name}"` }] : [];
    }
    if (seen.includes(name)) return [{ path: ["parent"], message: `"${name}" is its own ancestor` }];
    seen.push(name);
    parent = next.parent;
  }
  return [];
}

function pagingMistakes(source: { pagination?: Pagination }, stream: StreamParts): Mistake[] {
  const pagination = stream.pagination ?? source.pagination ?? { type: "page" };
  const at = (member: string, message: string): Mistake => ({ path: ["pagination", member], message });
  const mistakes: Mistake[] = [];
  const { format = "json" } = stream;
  const isInBody = "sendIn" in pagination && pagination.sendIn === "body";
  if (isInBody && (typeof stream.body !== "object" || stream.body === null || Array.isArray(stream.body)))
    mistakes.push({ path: ["body"], message: 'expected an object, since the pagination has sendIn: "body"' });
  if (format === "json") return mistakes;
  // A list of lines has no members beside it.
  if (pagination.type === "next_url")
    mistakes.push(at("type", `an answer in ${format} has no member "${pagination.next}"`));
  if (pagination.type === "cursor" && pagination.in !== "header")
    mistakes.push(at("in", `expected "header": an answer in ${format} has no member "${pagination.next}"`));
  if ("total" in pagination && typeof pagination.total === "string")
    mistakes.push(at("total", `expected { header: NAME }: an answer in ${format} has no members`));
  return mistakes;
}
