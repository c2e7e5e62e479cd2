/** Values that must not appear in any output, in any usual encoding. */
export interface Secrets {
  add(value: string): void;
  mask(text: string): string;
  isEmpty(): boolean;
}

const MASK = "***";
/** A shorter secret may be a common word; it is masked only where it stands as a password. */
const MIN_LENGTH = 8;

export function createSecrets(): Secrets {
  const forms = new Map<string, string>();
  return {
    add(value) {
      if (value === "") return;
      if (value.length < MIN_LENGTH) forms.set(`:${value}@`, `:${MASK}@`);
      else for (const form of encodingsOf(value)) forms.set(form, MASK);
    },
    mask(text) {
      let masked = text;
      for (const [form, shown] of forms) masked = masked.replaceAll(form, shown);
      return masked;
    },
    isEmpty: () => forms.size === 0,
  };
}

function encodingsOf(value: string): string[] {
  const bytes = Buffer.from(value, "utf8");
  return [
    value,
    encodeURIComponent(value),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("hex"),
  ];
}

/** The parameters of a query that only say where in a listing we are. */
const PLAIN_PARAMETERS = new Set(["page", "size"]);

/** A URL as it may be shown: no user, no password, no value of a parameter that may be a token. */
export function maskUrl(url: string | URL): string {
  if (!URL.canParse(String(url))) return String(url);
  const shown = new URL(url);
  if (shown.username) shown.username = MASK;
  if (shown.password) shown.password = MASK;
  for (const name of [...shown.searchParams.keys()]) {
    if (!PLAIN_PARAMETERS.has(name)) shown.searchParams.set(name, MASK);
  }
  return shown.toString();
}

/** Members of our documents that hold text from outside; names and ids are never touched. */
const FREE_TEXT = new Set([
  "message",
  "why",
  "where",
  "hint",
  "summary",
  "reason",
  "error",
  "description",
  "comment",
  "raw_code",
  "compiled_code",
  "invocation_command",
]);

/** A document for a program, secrets masked in all of its free texts. */
export function maskDocument(secrets: Secrets, document: unknown): unknown {
  const walk = (value: unknown, isFree: boolean): unknown => {
    if (typeof value === "string") return isFree ? secrets.mask(value) : value;
    if (Array.isArray(value)) return value.map((item) => walk(item, isFree));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, walk(item, FREE_TEXT.has(key))]),
    );
  };
  return secrets.isEmpty() ? document : walk(document, false);
}
