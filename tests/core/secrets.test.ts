import { expect, test } from "vitest";
import { createSecrets, maskUrl } from "../../core/secrets.ts";

test.each([
  ["as it is", "key=p@ss/wörd", "key=***"],
  ["in a URL", `key=${encodeURIComponent("p@ss/wörd")}`, "key=***"],
  ["in base64", Buffer.from("p@ss/wörd").toString("base64").replace(/=+$/, ""), "***"],
  ["in hexadecimal", Buffer.from("p@ss/wörd").toString("hex"), "***"],
  ["more than once", "p@ss/wörd p@ss/wörd", "*** ***"],
])("a secret is masked %s", (_, text, masked) => {
  const secrets = createSecrets();
  secrets.add("p@ss/wörd");
  expect(secrets.mask(text)).toBe(masked);
});

test("what is too short to be a secret does not make a text unreadable", () => {
  const secrets = createSecrets();
  for (const value of ["", "a", "ab"]) secrets.add(value);
  expect(secrets.mask("a table")).toBe("a table");
});

test.each([
  ["https://user:word@example.com/x?page=1&token=abc", "https://***:***@example.com/x?page=1&token=***"],
  ["https://example.com/x?page=2&size=100", "https://example.com/x?page=2&size=100"],
  ["no address", "no address"],
])("%s is shown as %s", (url, shown) => {
  expect(maskUrl(url).replaceAll("%2A", "*")).toBe(shown);
});
