import { expect, test } from "vitest";
import { sendBody, sendPage, trackTexts } from "./scripted-api.ts";
import { withScript } from "./setup.ts";

test("loads again what failed or was never loaded, and asks for nothing else", async () => {
  let isRefused = true;
  const { world, api } = await withScript((visit) => {
    if (visit.stream === "users" && isRefused) sendBody(visit.response, "{}", 403);
    else sendPage(visit, visit.stream === "tracks" ? trackTexts(3) : []);
  });
  await world.load({ streams: ["tracks", "users"] });
  isRefused = false;
  const before = api.requests.length;
  const healed = await world.load({ onlyFailed: true });
  expect(healed.map(({ stream, status }) => [stream, status])).toEqual([
    ["users", "ok"],
    ["listen_history", "ok"],
  ]);
  expect(api.requests.slice(before).filter((request) => request.startsWith("tracks"))).toEqual([]);
  expect(await world.load({ onlyFailed: true })).toEqual([]);
});
