import { expect, test } from "vitest";
import { createContext } from "../../core/context.ts";
import type { LogEntry } from "../../core/log.ts";
import { createSecrets, maskDocument, maskUrl } from "../../core/secrets.ts";

test("a secret is masked in every usual encoding", () => {
  const secrets = createSecrets();
  secrets.add("s3cret/value");
  const forms = ["s3cret/value", "s3cret%2Fvalue", "czNjcmV0L3ZhbHVl", "7333637265742f76616c7565"];
  expect(secrets.mask(forms.join(" "))).toBe("*** *** *** ***");
});

test("a secret is masked where it is escaped, in a form, in hexadecimal digits of both kinds", () => {
  const secrets = createSecrets();
  const secret = 'a "b"/c+d\\é';
  secrets.add(secret);
  const hex = Buffer.from(secret).toString("hex");
  const forms = [
    JSON.stringify(secret),
    JSON.stringify(JSON.stringify(secret)),
    encodeURIComponent(secret),
    encodeURIComponent(secret).toLowerCase(),
    new URLSearchParams({ key: secret }).toString(),
    Buffer.from(secret).toString("base64url"),
    hex,
    hex.toUpperCase(),
  ];
  expect(forms.map(secrets.mask)).toEqual([
    '"***"',
    '"\\"***\\""',
    "***",
    "***",
    "key=***",
    "***",
    "***",
    "***",
  ]);
});

test("a secret is masked inside the base64 of a longer text", () => {
  const secrets = createSecrets();
  secrets.add("the-secret-of-the-day");
  for (const before of ["", "u:", "me:", "user:"]) {
    const text = Buffer.from(`${before}the-secret-of-the-day, and more`).toString("base64");
    const shown = Buffer.from(secrets.mask(text).replace(/\*+/, "")).toString();
    expect(secrets.mask(text)).toContain("***");
    expect(Buffer.from(shown, "base64").toString()).not.toContain("secret");
  }
});

test("of two secrets the longer one is masked first, whichever was known first", () => {
  const secrets = createSecrets();
  secrets.add("password");
  secrets.add("password-of-today");
  expect(secrets.mask("password-of-today, password")).toBe("***, ***");
});

test("the beginning of a secret is masked where a text was cut", () => {
  const secrets = createSecrets();
  secrets.add("the-secret-of-the-day");
  expect(secrets.mask('"token the-secret-o…", or the…')).toBe('"token ***…", or the…');
});

test("tells a new secret from a known one", () => {
  const secrets = createSecrets();
  expect([secrets.add("one-secret"), secrets.add("one-secret"), secrets.add("")]).toEqual([
    true,
    false,
    false,
  ]);
});

test("log entries are masked in their fields too, and so are variables with dbt's prefix for secrets", () => {
  const entries: LogEntry[] = [];
  const env = { DBT_ENV_SECRET_TOKEN: "value-of-variable" };
  const ctx = createContext({ projectDir: "/", env, sink: (entry) => entries.push(entry) });
  ctx.log.warn("seen", "it was value-of-variable", { why: "value-of-variable", page: 1 });
  expect(entries).toMatchObject([{ message: "it was ***", fields: { why: "***", page: 1 } }]);
});

test("a short secret, which may be a common word, is masked only where it stands as a password", () => {
  const secrets = createSecrets();
  secrets.add("test");
  expect(secrets.mask("run test: http://admin:test@host, 4 tests passed")).toBe(
    "run test: http://admin:***@host, 4 tests passed",
  );
});

test("names and ids of a document are never masked, its texts are", () => {
  const secrets = createSecrets();
  secrets.add("moovitamix");
  const document = {
    unique_id: "model.moovitamix.a",
    results: [{ message: "moovitamix said no", why: ["moovitamix"] }],
  };
  expect(maskDocument(secrets, document)).toEqual({
    unique_id: "model.moovitamix.a",
    results: [{ message: "*** said no", why: ["***"] }],
  });
});

test("a URL is shown without its credentials and tokens", () => {
  expect(maskUrl("http://user:pw@host/tracks?page=2&token=abc")).toBe(
    "http://***:***@host/tracks?page=2&token=***",
  );
});
