import { expect, onTestFinished, test } from "vitest";
import type { RestSourceDefinition } from "../../core/sillon.ts";
import { listSource, rowTexts, startListServer } from "./list-server.ts";
import { withWorld } from "./setup.ts";

const SECRETS = ["bearer-of-the-list", "key-in-a-header", "token-in-the-query", "pass-in-a-link"];

/** A list whose first page names a next one at another host. */
async function withTwoHosts(source: Partial<RestSourceDefinition> = {}) {
  const [own, other] = await Promise.all([
    startListServer({ form: "next_url", list: rowTexts(2, 2) }),
    startListServer({ form: "next_url", list: rowTexts(1) }),
  ]);
  onTestFinished(async () => {
    await Promise.all([own.stop(), other.stop()]);
  });
  own.answer = (_, response) => {
    response.end(
      `{"rows":[{"id":2}],"meta":{"url":"${other.url.replace("//", "//user:pass-in-a-link@")}/rest?part=2"}}`,
    );
    return true;
  };
  const world = await withWorld({
    url: `${own.url}/?token=${SECRETS[2]}`,
    env: { LIST_TOKEN: SECRETS[0] ?? "" },
    source: {
      ...listSource("next_url"),
      authentication: { type: "bearer", token: { env: "LIST_TOKEN" } },
      headers: { "x-key": SECRETS[1] ?? "" },
      ...source,
    },
  });
  return { own, other, world };
}

test("follows a link to a next page at a host that is allowed, without what belongs to the source's own", async () => {
  const { own, other, world } = await withTwoHosts();
  const allowed_hosts = [new URL(other.url).host];
  expect(await world.loadOne("tracks", { allowed_hosts })).toMatchObject({ status: "ok", error: null });
  expect(own.requests[0]?.headers).toMatchObject({
    authorization: `Bearer ${SECRETS[0]}`,
    "x-key": SECRETS[1],
  });
  expect(own.requests[0]?.url.searchParams.get("token")).toBe(SECRETS[2]);
  expect(other.requests).toHaveLength(1);
  expect(other.requests[0]?.url.search).toBe("?part=2");
  expect(other.requests[0]?.headers.authorization).toBeUndefined();
  expect(other.requests[0]?.headers.accept).toBe("application/json");
  const sent = JSON.stringify([other.requests[0]?.headers, other.requests[0]?.url]);
  for (const secret of SECRETS) expect(sent).not.toContain(secret);
});

test("asks a host that is not allowed for nothing", async () => {
  const { own, other, world } = await withTwoHosts();
  expect((await world.loadOne("tracks")).error).toMatchObject({
    code: "HOST_REFUSED",
    hint: expect.stringContaining("allowed_hosts"),
  });
  expect([own.requests.length, other.requests.length]).toEqual([1, 0]);
});

test("signs the method and the body that are really sent", async () => {
  const signed: unknown[] = [];
  const server = await startListServer({ form: "post", list: rowTexts(12) });
  onTestFinished(() => server.stop());
  const source: RestSourceDefinition = {
    ...listSource("post"),
    authentication: {
      type: "custom",
      headers: ({ method, body }) => {
        signed.push({ method, body });
        return { "x-signature": `signature-${signed.length}` };
      },
    },
  };
  const world = await withWorld({ url: server.url, source });
  expect(await world.loadOne("tracks")).toMatchObject({ status: "ok", counts: { received: 12 } });
  expect(signed).toEqual(server.requests.map(({ method, body }) => ({ method, body })));
  expect(server.requests.map(({ headers }) => headers["x-signature"])).toEqual(
    signed.map((_, index) => `signature-${index + 1}`),
  );
});
