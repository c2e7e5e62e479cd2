/** Values that must not appear in any output, in any usual encoding. */
export interface Secrets {
  add(value: string): void;
  mask(text: string): string;
}

const MASK = "***";
const MIN_LENGTH = 3;

export function createSecrets(): Secrets {
  const forms = new Set<string>();
  return {
    add(value) {
      if (value.length < MIN_LENGTH) return;
      for (const form of encodingsOf(value)) forms.add(form);
    },
    mask(text) {
      let masked = text;
      for (const form of forms) masked = masked.replaceAll(form, MASK);
      return masked;
    },
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
