/** Values that must not appear in any output, in any usual encoding. */
export interface Secrets {
  /** Whether it is a new one. */
  add(value: string): boolean;
  mask(text: string): string;
  isEmpty(): boolean;
}

const MASK = "***";
/** A shorter secret may be a common word; it is masked only where it stands as a password. */
export const MIN_SECRET_LENGTH = 8;

export function createSecrets(): Secrets {
  const values = new Set<string>();
  let forms: [form: string, shown: string][] = [];
  return {
    add(value) {
      if (value === "" || values.has(value)) return false;
      values.add(value);
      // A secret may begin like a longer one, which then has to go first.
      forms = [...new Map([...forms, ...formsOf(value)])].sort(([a], [b]) => b.length - a.length);
      return true;
    },
    mask(text) {
      let masked = text;
      for (const [form, shown] of forms) masked = masked.replaceAll(form, shown);
      return masked.includes(CUT) ? maskCut(masked, forms) : masked;
    },
    isEmpty: () => forms.length === 0,
  };
}

function formsOf(value: string): [form: string, shown: string][] {
  if (value.length < MIN_SECRET_LENGTH) return [[`:${value}@`, `:${MASK}@`]];
  return encodingsOf(value).map((form) => [form, MASK]);
}

function encodingsOf(value: string): string[] {
  const bytes = Buffer.from(value, "utf8");
  const escaped = JSON.stringify(value).slice(1, -1);
  const percent = encodeURIComponent(value);
  return [
    value,
    escaped,
    // JSON in a text in JSON.
    JSON.stringify(escaped).slice(1, -1),
    percent,
    percent.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase()),
    // As forms and queries are written: all but letters, digits and *-._
    new URLSearchParams([["", value]]).toString().slice(1),
    bytes.toString("base64").replace(/=+$/, ""),
    bytes.toString("base64url"),
    ...base64Inside(bytes),
    bytes.toString("hex"),
    bytes.toString("hex").toUpperCase(),
  ];
}

/** The characters of base64 that are the same whatever stands before and behind: behind one or two other bytes. */
function base64Inside(bytes: Buffer): string[] {
  return [1, 2].flatMap((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes])
      .toString("base64")
      .replace(/=+$/, "");
    const inside = text.slice(before + 1, Math.floor(((before + bytes.length) * 8) / 6));
    return inside.length < MIN_SECRET_LENGTH ? [] : [inside];
  });
}

/** Ends texts that were cut. */
const CUT = "…";
/** Fewer characters of a secret tell nothing. */
const MIN_PART = 4;

/** The beginning of a secret at the end of a text that was cut. */
function maskCut(text: string, forms: readonly (readonly [form: string, shown: string])[]): string {
  return text
    .split(CUT)
    .map((piece, index, pieces) => (index === pieces.length - 1 ? piece : maskEnd(piece, forms)))
    .join(CUT);
}

function maskEnd(text: string, forms: readonly (readonly [form: string, shown: string])[]): string {
  for (const [form, shown] of forms) {
    for (let length = Math.min(form.length - 1, text.length); length >= MIN_PART; length--)
      if (text.endsWith(form.slice(0, length))) return text.slice(0, -length) + shown;
  }
  return text;
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
