import { expect, test } from "vitest";
import { createSecrets, maskDocument, maskUrl } from "../../core/secrets.ts";

test("a secret is masked in every usual encoding", () => {
  const secrets = createSecrets();
  secrets.add("s3cret/value");
  const forms = ["s3cret/value", "s3cret%2Fvalue", "czNjcmV0L3ZhbHVl", "7333637265742f76616c7565"];
  expect(secrets.mask(forms.join(" "))).toBe("*** *** *** ***");
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
