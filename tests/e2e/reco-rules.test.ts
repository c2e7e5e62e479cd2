import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { firstLine } from "../../cli/stand-in.ts";
import { startApi } from "../../moovitamix/server.ts";
import { currentStore, openStore } from "../../reco/serve/store.ts";
import { send, tell } from "../reco/serving-files.ts";
import { copyProject, MAIN, run } from "./cli.ts";

interface Item {
  track_id: string;
  artist: string;
}

/** Everything that inference prepared, a list a row. */
function preparedLists(cwd: string): Item[][] {
  const { store } = openStore(currentStore(join(cwd, "data/serving"))?.file ?? "");
  try {
    const rows = store
      .prepare(
        "select items from lists union all select items from similar union all select items from fallbacks union all select playlist.value ->> 'items' from playlists, json_each(playlists) as playlist",
      )
      .all() as { items: string }[]; // its own table
    return rows.map(({ items }) => JSON.parse(items));
  } finally {
    store.close();
  }
}

async function serveProject(cwd: string): Promise<string> {
  const { PATH = "", HOME = "" } = process.env;
  const child: ChildProcess = spawn(process.execPath, [MAIN, "serve", "--port", "0"], {
    cwd,
    env: { PATH, HOME },
    stdio: ["ignore", "pipe", "ignore"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  return firstLine(child);
}

async function trainedProject(): Promise<string> {
  const cwd = copyProject();
  const api = await startApi({ seed: 3, users: 250, tracks: 300, plays: 12_000 });
  onTestFinished(() => api.stop());
  await run(["pipeline"], { cwd, env: { MOOVITAMIX_URL: api.url } });
  await run(["reco", "train"], { cwd });
  expect(await run(["reco", "infer"], { cwd })).toMatchObject({ exitCode: 0 });
  return cwd;
}

test("inference and lists made on the fly leave out what rules block, and a listen changes the next list", async () => {
  const cwd = await trainedProject();
  const counts = new Map<string, number>();
  const before = preparedLists(cwd);
  for (const { track_id } of before.flat()) counts.set(track_id, (counts.get(track_id) ?? 0) + 1);
  const [[track = ""] = []] = [...counts].sort(([, left], [, right]) => right - left);
  const artist = before.flat().find((one) => one.track_id !== track && one.artist !== "")?.artist ?? "";
  const isBlocked = (one: Item) => one.track_id === track || one.artist === artist;
  expect(before.flat().filter(isBlocked).length).toBeGreaterThan(100);

  const rules = { blocked_tracks: [track], blocked_artists: [artist], max_per_artist: 2 };
  appendFileSync(join(cwd, "project.yml"), `\nreco: ${JSON.stringify({ fold_in: true, rules })}\n`);
  expect(await run(["reco", "infer"], { cwd })).toMatchObject({ exitCode: 0 });
  const after = preparedLists(cwd);
  expect(after.flat().filter(isBlocked)).toEqual([]);
  expect(after.flat().length).toBeGreaterThan(1000);
  const most = after.map((items) =>
    Math.max(0, ...items.map((one) => items.filter((other) => other.artist === one.artist).length)),
  );
  expect(Math.max(...most)).toBe(2);

  const url = await serveProject(cwd);
  const user = "10006";
  const list = async () => (await send(url, `/v1/users/${user}/recommendations?k=30`)).body.items as Item[];
  const first = await list();
  const heard = first[0]?.track_id;
  const told = await tell(url, { user_id: user, track_id: heard, kind: "listen", listened_ms: 200_000 });
  expect(told.status).toBe(201);
  const next = await list();
  expect(next).not.toEqual(first);
  expect(next.map(({ track_id }) => track_id)).not.toContain(heard);
  expect(next.filter(isBlocked)).toEqual([]);
  const repeat = (await send(url, `/v1/users/${user}/recommendations?shelf=on_repeat&k=100`)).body.items;
  expect(repeat.map(({ track_id }: Item) => track_id)).toContain(heard);
  expect(repeat.filter(isBlocked)).toEqual([]);
}, 120_000);
