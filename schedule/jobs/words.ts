/** The words of a command as a shell would split them: quotes hold words together. Undefined when a quote is not closed. */
export function splitWords(text: string): string[] | undefined {
  const words: string[] = [];
  let rest = text.trim();
  while (rest !== "") {
    const word = /^(?:"(?:[^"\\]|\\.)*"|'[^']*'|\\.|[^\s"'\\])+/.exec(rest)?.[0];
    if (word === undefined) return undefined;
    const after = rest.slice(word.length);
    if (after !== "" && !/^\s/.test(after)) return undefined;
    words.push(word.replace(/"((?:[^"\\]|\\.)*)"|'([^']*)'|\\(.)/g, unquoted));
    rest = after.trimStart();
  }
  return words;
}

function unquoted(_all: string, double?: string, single?: string, escaped?: string): string {
  return double?.replace(/\\(["\\])/g, "$1") ?? single ?? escaped ?? "";
}
