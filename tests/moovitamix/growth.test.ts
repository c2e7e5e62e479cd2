import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Api, startApi } from "../../moovitamix/server.ts";
import { fetchPage } from "./client.ts";

const NOON = new Date("2027-03-01T12:00:00Z");
const OPTIONS = { users: 50, tracks: 80, plays: 300, now: () => NOON };

let api: Api;
beforeEach(async () => {
  api = await startApi(OPTIONS);
});
afterEach(() => api.stop());

const idsOf = (records: { id: number }[]) => new Set(records.map(({ id }) => id));

describe("growth", () => {
  it("appends as many sessions as were asked for", async () => {
    const before = structuredClone(api.data.listen_history);
    api.growBy(9);
    expect(api.data.listen_history.slice(0, before.length)).toEqual(before);
    expect((await fetchPage(api, "/listen_history")).total).toBe(before.length + 9);
  });

  it("is the same for the same seed, clock and steps", async () => {
    const other = await startApi(OPTIONS);
    for (const one of [api, other]) for (let tick = 0; tick < 8; tick++) one.growBy(30);
    expect(other.data).toEqual(api.data);
    await other.stop();
  });

  it("brings users, tracks and changed records", () => {
    const before = structuredClone(api.data);
    api.growBy(60);
    expect(api.data.users).toHaveLength(before.users.length + 3);
    expect(api.data.tracks).toHaveLength(before.tracks.length + 2);
    const changed = [
      ...api.data.users.filter((user, index) => user.updated_at !== before.users[index]?.updated_at),
      ...api.data.tracks.filter((track, index) => track.updated_at !== before.tracks[index]?.updated_at),
      ...api.data.listen_history.filter(
        (row) => row.updated_at !== row.created_at && row.updated_at > "2027",
      ),
    ];
    expect(changed.length).toBeGreaterThan(5);
    expect(changed.every((record) => record.updated_at >= "2027-03-01T12:00:00")).toBe(true);
  });

  it("lets nobody listen in the tick of their arrival, nor to a track of that tick", () => {
    for (let tick = 0; tick < 20; tick++) {
      const known = { users: idsOf(api.data.users), tracks: idsOf(api.data.tracks) };
      const from = api.data.listen_history.length;
      api.growBy(40);
      for (const row of api.data.listen_history.slice(from)) {
        expect(known.users).toContain(row.user_id);
        expect(row.items?.filter((id) => !known.tracks.has(id))).toEqual([]);
      }
    }
  });

  it("lets new users listen and new tracks be played in the end", () => {
    const old = { users: idsOf(api.data.users), tracks: idsOf(api.data.tracks) };
    for (let tick = 0; tick < 20; tick++) api.growBy(40);
    expect(api.data.listen_history.some((row) => !old.users.has(row.user_id ?? 0))).toBe(true);
    expect(api.data.listen_history.some((row) => row.items?.some((id) => !old.tracks.has(id)))).toBe(true);
  });

  it("never repeats a moment of a user while the clock stands still", () => {
    for (let tick = 0; tick < 20; tick++) api.growBy(100);
    const keys = api.data.listen_history.map((row) => `${row.user_id} ${row.created_at}`);
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("plays nothing that was removed by hand", () => {
    const removed = idsOf(api.data.tracks.splice(0, 40));
    const from = api.data.listen_history.length;
    api.growBy(100);
    const played = api.data.listen_history.slice(from).flatMap((row) => row.items ?? []);
    expect(played.filter((id) => removed.has(id))).toEqual([]);
  });

  it("goes on by itself at the rate of the options", async () => {
    const growing = await startApi({ ...OPTIONS, grow: 20 });
    const { total } = await fetchPage(growing, "/listen_history");
    await expect
      .poll(async () => (await fetchPage(growing, "/listen_history")).total, { timeout: 20_000 })
      .toBeGreaterThan(total);
    await growing.stop();
  });
});
