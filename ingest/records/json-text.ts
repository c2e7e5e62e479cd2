/** A value's place in a JSON text: its first character and the one after its last. */
export interface Span {
  start: number;
  end: number;
}

export interface Member extends Span {
  name: string;
}

const [QUOTE, BACKSLASH, COMMA, COLON] = [34, 92, 44, 58];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [91, 93, 123, 125];

/** The elements of the array that begins at `start`. The text must have passed JSON.parse. */
export function elementsOf(text: string, start: number): Span[] {
  const spans: Span[] = [];
  let at = skipSpace(text, start + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACKET) {
    const end = endOfValue(text, at);
    spans.push({ start: at, end });
    at = skipSeparator(text, end, COMMA);
  }
  return spans;
}

/** The members of the object that begins at `start`. The text must have passed JSON.parse. */
export function membersOf(text: string, start: number): Member[] {
  const members: Member[] = [];
  let at = skipSpace(text, start + 1);
  while (text.charCodeAt(at) !== CLOSE_BRACE) {
    const nameEnd = endOfString(text, at);
    const valueStart = skipSeparator(text, nameEnd, COLON);
    const end = endOfValue(text, valueStart);
    members.push({ name: nameOf(text.slice(at + 1, nameEnd - 1)), start: valueStart, end });
    at = skipSeparator(text, end, COMMA);
  }
  return members;
}

function nameOf(inside: string): string {
  return inside.includes("\\") ? String(JSON.parse(`"${inside}"`)) : inside;
}

export function skipSpace(text: string, start: number): number {
  let at = start;
  while (text.charCodeAt(at) <= 32) at++;
  return at;
}

function skipSeparator(text: string, start: number, separator: number): number {
  const at = skipSpace(text, start);
  return text.charCodeAt(at) === separator ? skipSpace(text, at + 1) : at;
}

function endOfValue(text: string, start: number): number {
  const first = text.charCodeAt(start);
  if (first === QUOTE) return endOfString(text, start);
  if (first !== OPEN_BRACE && first !== OPEN_BRACKET) return endOfScalar(text, start);
  let depth = 1;
  let at = start + 1;
  while (depth > 0) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) {
      at = endOfString(text, at);
      continue;
    }
    if (code === OPEN_BRACE || code === OPEN_BRACKET) depth++;
    else if (code === CLOSE_BRACE || code === CLOSE_BRACKET) depth--;
    at++;
  }
  return at;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  for (let code = text.charCodeAt(at); code !== QUOTE; code = text.charCodeAt(at)) {
    at += code === BACKSLASH ? 2 : 1;
  }
  return at + 1;
}

function endOfScalar(text: string, start: number): number {
  let at = start;
  for (;;) {
    const code = text.charCodeAt(at);
    const isInside = code > 32 && code !== COMMA && code !== CLOSE_BRACE && code !== CLOSE_BRACKET;
    if (!isInside) return at;
    at++;
  }
}

const TOKEN =
  /[ \t\r\n]*([[\]{},:]|"(?:[^"\\\p{Cc}]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/uy;

/** Where a text that JSON.parse refused stops being JSON. */
export function findJsonError(text: string): number {
  const open: string[] = [];
  let expected = "value";
  let at = 0;
  for (;;) {
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[1];
    const start = skipSpace(text, at);
    if (token === undefined) return Math.min(start, text.length);
    const next = nextState(expected, token, open);
    if (next === undefined) return start;
    expected = next;
    at = TOKEN.lastIndex;
  }
}

/** What may follow `token`; undefined when the token itself may not stand where it does. */
function nextState(expected: string, token: string, open: string[]): string | undefined {
  const first = token.charAt(0);
  if (expected === "end" || (first === ":") !== (expected === "colon")) return undefined;
  if (first === ":") return "value";
  if (first === "]" || first === "}") {
    const isAllowed = expected === "comma" || (expected === "first" && first === "]") || expected === "name?";
    if (!isAllowed || open.pop() !== first) return undefined;
    return open.length > 0 ? "comma" : "end";
  }
  if (first === "," || expected === "comma") {
    if (first !== "," || expected !== "comma") return undefined;
    return open.at(-1) === "}" ? "name" : "value";
  }
  if (expected === "name" || expected === "name?") return first === '"' ? "colon" : undefined;
  if (first === "[" || first === "{") {
    open.push(first === "[" ? "]" : "}");
    return first === "[" ? "first" : "name?";
  }
  return open.length > 0 ? "comma" : "end";
}
