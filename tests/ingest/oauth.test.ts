import { expect, test } from "vitest";
import type { Authentication } from "../../core/sillon.ts";
import { source as moovitamix } from "../../ingest/sources/moovitamix.ts";
import { sendBody, sendPage, trackTexts, type Visit } from "./scripted-api.ts";
import { withScript } from "./setup.ts";

const OAUTH: Authentication = {
  type: "oauth2_client_credentials",
  tokenUrl: "/token",
  clientId: "sillon",
  clientSecret: { env: "CLIENT_SECRET" },
};

interface Script {
  /** What a sign-in is answered, by its number from 1: a status other than 200 refuses it. */
  signIn?: (nth: number) => { status?: number; expires_in?: number };
  /** The status of a page for a token, told as the number of its sign-in. */
  status?: (visit: Visit, token: number) => number;
  authentication?: Partial<Extract<Authentication, { type: "oauth2_client_credentials" }>>;
}

async function withTokens({ signIn = () => ({}), status = () => 200, authentication = {} }: Script) {
  const signIns: { authorization: string | undefined; form: string }[] = [];
  const onSignIn = async ({ request, response }: Visit) => {
    let form = "";
    for await (const chunk of request) form += chunk;
    signIns.push({ authorization: request.headers.authorization, form });
    const { status: refused = 200, expires_in } = signIn(signIns.length);
    sendBody(
      response,
      JSON.stringify({ access_token: `access-token-${signIns.length}`, expires_in }),
      refused,
    );
  };
  const { world, api } = await withScript(
    (visit) => {
      if (visit.stream === "token") return void onSignIn(visit);
      if (visit.stream === "moved") return void visit.response.writeHead(302, { location: "/token" }).end();
      const token = Number(
        /^Bearer access-token-(\d+)$/.exec(visit.request.headers.authorization ?? "")?.[1],
      );
      const answer = status(visit, token);
      if (answer === 200) sendPage(visit, trackTexts(visit.stream === "tracks" ? 500 : 0));
      else sendBody(visit.response, "{}", answer);
    },
    {
      source: { ...moovitamix, authentication: { ...OAUTH, ...authentication } as Authentication },
      env: { CLIENT_SECRET: "the/secret of 1" },
    },
  );
  return { world, api, signIns };
}

test("signs in once for all streams, by basic authentication", async () => {
  const { world, signIns } = await withTokens({ authentication: { scope: "read all" } });
  const results = await world.load();
  expect(results.map(({ status }) => status)).toEqual(["ok", "ok", "ok"]);
  const pair = Buffer.from("sillon:the%2Fsecret+of+1").toString("base64");
  expect(signIns).toEqual([
    { authorization: `Basic ${pair}`, form: "grant_type=client_credentials&scope=read+all" },
  ]);
});

test("sends the credentials in the form when the source says so", async () => {
  const { world, signIns } = await withTokens({ authentication: { credentialsIn: "body" } });
  await world.loadOne("tracks");
  const form = "grant_type=client_credentials&client_id=sillon&client_secret=the%2Fsecret+of+1";
  expect(signIns).toEqual([{ authorization: undefined, form }]);
});

test("signs in again before the token expires", async () => {
  const { world, signIns } = await withTokens({
    signIn: () => ({ expires_in: 100 }),
    // The wait that is asked for takes the token into the last tenth of its life.
    status: ({ page, nth }) => (page === 3 && nth === 1 ? 503 : 200),
  });
  const { status } = await world.loadOne("tracks", { backoff_seconds: 91, concurrency: 1 });
  expect(status).toBe("ok");
  expect(signIns).toHaveLength(2);
});

test("a token that ends in the middle is renewed once for all requests, and the page is asked for again", async () => {
  const { world, api, signIns } = await withTokens({
    status: ({ page }, token) => (page >= 2 && token === 1 ? 401 : 200),
  });
  const result = await world.loadOne("tracks");
  expect(result).toMatchObject({ status: "ok", counts: { new: 500 } });
  expect(signIns).toHaveLength(2);
  expect(api.requests.filter((request) => request === "tracks/1").length).toBeLessThanOrEqual(2);
});

test.each<[string, Script, number]>([
  [
    "the sign-in is refused the second time",
    { signIn: (nth) => (nth > 1 ? { status: 400 } : {}), status: ({ page }) => (page >= 2 ? 401 : 200) },
    2,
  ],
  ["a new token does not help", { status: ({ page }) => (page >= 2 ? 401 : 200) }, 2],
  ["the token never worked", { status: () => 401 }, 1],
  ["the sign-in is refused", { signIn: () => ({ status: 401 }) }, 1],
])("there is no loop of sign-ins when %s", async (_, script, count) => {
  const { world, signIns } = await withTokens(script);
  const [tracks, ...others] = await world.load();
  expect(tracks?.error?.code).toMatch(/^(API_UNAUTHORIZED|SIGN_IN_REFUSED)$/);
  expect(tracks?.error?.hint).toContain("put a valid client secret into environment variable CLIENT_SECRET");
  expect(others).toHaveLength(2);
  expect(signIns).toHaveLength(count);
});

test("a stream that is refused has no other stream's token renewed", async () => {
  const { world, signIns } = await withTokens({ status: ({ stream }) => (stream === "users" ? 403 : 200) });
  const results = await world.load();
  expect(results.map(({ status }) => status)).toEqual(["ok", "failed", "ok"]);
  expect(signIns).toHaveLength(1);
});

test("asks again when the token address fails, and says what it answered", async () => {
  const { world, signIns } = await withTokens({ signIn: (nth) => (nth < 3 ? { status: 503 } : {}) });
  expect((await world.loadOne("tracks")).status).toBe("ok");
  expect(signIns).toHaveLength(3);
  const down = await withTokens({ signIn: () => ({ status: 500 }) });
  const [one, ...rest] = await down.world.load({ settings: { max_attempts: 2 } });
  expect(one?.error).toMatchObject({
    code: "SIGN_IN_REFUSED",
    message: expect.stringContaining("answered 500"),
  });
  expect(rest.map(({ status }) => status)).toEqual(["failed", "failed"]);
  expect(down.signIns).toHaveLength(2);
});

test("a sign-in goes to no other place than the address for tokens", async () => {
  const { world, api } = await withTokens({ authentication: { tokenUrl: "/moved", credentialsIn: "body" } });
  const { error } = await world.loadOne("tracks");
  expect(error).toMatchObject({
    code: "API_REDIRECTED",
    message: expect.stringContaining("a request with a body"),
  });
  expect(api.requests).toEqual(["moved/0"]);
});

test("an address for tokens that is none is refused before any request", async () => {
  const { world, api } = await withTokens({ authentication: { tokenUrl: "ftp://host/token" } });
  await expect(world.load()).rejects.toMatchObject({
    code: "TOKEN_URL_INVALID",
    exitCode: 2,
    hint: expect.stringContaining("https://login.example.com"),
  });
  expect(api.requests).toEqual([]);
});
