/** Shell wildcards; in a path, `*` stays within one folder and `**` does not. */
export function globPattern(value: string, isPath: boolean): RegExp {
  const wildcards: Record<string, string> = { "?": ".", "*": isPath ? "[^/]*" : ".*", "**/": "(?:.*/)?" };
  const body = value
    .replace(/\/+$/, "")
    .replace(/[.+^${}()|\\]/g, "\\$&")
    .replace(/\*\*\/|\*+|\?/g, (wildcard) => wildcards[wildcard] ?? ".*")
    .replaceAll("[!", "[^");
  try {
    return new RegExp(`^${body}$`, "s");
  } catch {
    return new RegExp(`^${body.replace(/[[\]]/g, "\\$&")}$`, "s"); // an unclosed bracket stands for itself
  }
}
