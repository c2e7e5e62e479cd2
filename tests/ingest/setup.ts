import { onTestFinished } from "vitest";
import { type Api, type ApiOptions, startApi } from "../../moovitamix/server.ts";
import { type ScriptedApi, startScriptedApi, type Visit } from "./scripted-api.ts";
import { createWorld, type World, type WorldOptions } from "./world.ts";

/** A world and the API that it loads from, both gone when the test is over. */
export async function withApi(options: ApiOptions = {}, more: Partial<WorldOptions> = {}) {
  const api: Api = await startApi({ users: 150, tracks: 250, plays: 1500, ...options });
  onTestFinished(() => api.stop());
  return { api, world: await withWorld({ url: api.url, ...more }) };
}

export async function withScript(answer: (visit: Visit) => void, more: Partial<WorldOptions> = {}) {
  const api: ScriptedApi = await startScriptedApi(answer);
  onTestFinished(() => api.stop());
  return { api, world: await withWorld({ url: api.url, ...more }) };
}

export async function withWorld(options: WorldOptions): Promise<World> {
  const world = await createWorld(options);
  onTestFinished(() => world.close());
  return world;
}
