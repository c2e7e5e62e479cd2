import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Api, startApi } from "../../moovitamix/server.ts";
import { formatTimestamp, STREAMS, type Track, type User } from "../../moovitamix/world/records.ts";
import { createWorld } from "../../moovitamix/world/world.ts";
import { fetchRecords, fetchText } from "./client.ts";

const SMALL = { users: 40, tracks: 60, plays: 400 };
const TARGETS = ["/tracks?size=50", "/users", "/listen_history?page=2&size=20"];

async function fetchSample(seed: number): Promise<string[]> {
  const api = await startApi({ ...SMALL, seed });
  const texts = await Promise.all(TARGETS.map((target) => fetchText(api, target)));
  await api.stop();
  return texts;
}

describe("the records of a seed", () => {
  it("are the same bytes at every start", async () => {
    expect(await fetchSample(7)).toEqual(await fetchSample(7));
  });

  it("are the bytes that they were on other days and other machines", async () => {
    const texts = await fetchSample(1);
    expect(createHash("sha256").update(texts.join("\n")).digest("hex")).toMatchInlineSnapshot(
      `"bd06bcc209fc5d94a67f4bdbf27177569d3737bc615c7f75fd98cf8bd6ac7297"`,
    );
  });

  it("differ from those of another seed", async () => {
    const [one, two] = [await fetchSample(1), await fetchSample(2)];
    for (const index of TARGETS.keys()) expect(one[index]).not.toBe(two[index]);
  });
});

describe("paging", () => {
  it.each(STREAMS)("gives every record of %s once", async (stream) => {
    const api = await startApi(SMALL);
    expect(await fetchRecords(api, stream, 7)).toEqual(api.data[stream]);
    await api.stop();
  });

  it("shows what was edited by hand", async () => {
    const api = await startApi({ ...SMALL, plays: 0 });
    api.data.users.splice(1);
    Object.assign(api.data.users[0] ?? {}, { email: "new@example.com" });
    expect(await fetchText(api, "/users")).toContain('"email":"new@example.com"');
    expect(await fetchRecords(api, "users")).toHaveLength(1);
    await api.stop();
  });
});

describe("the listeners", () => {
  const { data } = createWorld(1, { users: 1000, tracks: 1000, plays: 50_000 });
  const users = new Map(data.users.map((user) => [user.id, user]));
  const tracks = new Map(data.tracks.map((track) => [track.id, track]));
  const plays: { user: User; track: Track; at: string }[] = data.listen_history.flatMap((row) =>
    (row.items ?? []).flatMap((id) => {
      const [user, track] = [users.get(row.user_id ?? 0), tracks.get(id)];
      return user && track ? [{ user, track, at: row.created_at }] : [];
    }),
  );
  const share = (isMeant: (play: { user: User; track: Track; at: string }) => boolean) =>
    plays.filter(isMeant).length / plays.length;

  it("play as much as was asked for, and only what exists", () => {
    expect(plays).toHaveLength(50_000);
  });

  it("are there before they listen, and some join late in the year", () => {
    expect(share(({ user, at }) => at < user.created_at)).toBe(0);
    const late = data.users.filter((user) => user.created_at > "2026-05");
    expect(late.length).toBeGreaterThan(50);
    expect(
      data.listen_history.filter((row) => late.some(({ id }) => id === row.user_id)).length,
    ).toBeGreaterThan(100);
  });

  it("mostly play their favourite genres", () => {
    const hit = share(({ user, track }) => {
      const favorites = user.favorite_genres.split(", ");
      return track.genres.split(", ").some((genre) => favorites.includes(genre));
    });
    expect(hit).toBeGreaterThan(0.7);
    expect(hit).toBeLessThan(0.95);
  });

  it("play few tracks very often and most tracks now and then", () => {
    const counts = new Map(data.tracks.map(({ id }) => [id, 0]));
    for (const { track } of plays) counts.set(track.id, (counts.get(track.id) ?? 0) + 1);
    const top = [...counts.values()].sort((left, right) => right - left).slice(0, 100);
    expect(top.reduce((sum, count) => sum + count, 0) / plays.length).toBeGreaterThan(0.4);
  });

  it("come back to tracks", () => {
    const pairs = new Set(plays.map(({ user, track }) => `${user.id}/${track.id}`));
    expect(pairs.size / plays.length).toBeLessThan(0.8);
  });

  it("have very different numbers of sessions, a few none", () => {
    const counts = new Map(data.users.map(({ id }) => [id, 0]));
    for (const { user_id } of data.listen_history)
      counts.set(user_id ?? 0, (counts.get(user_id ?? 0) ?? 0) + 1);
    const ranked = [...counts.values()].sort((left, right) => left - right);
    expect(ranked[0]).toBe(0);
    expect(ranked.filter((count) => count === 0).length).toBeLessThan(100);
    expect(ranked.at(-1)).toBeGreaterThan(8 * (ranked[500] ?? 0));
  });

  it("listen in the evening more than at night", () => {
    const evening = share(({ at }) => at.slice(11, 13) >= "18");
    expect(evening).toBeGreaterThan(4 * share(({ at }) => at.slice(11, 13) < "05"));
  });
});

describe("the records", () => {
  const { data } = createWorld(3, { users: 1000, tracks: 1000, plays: 5000 });

  it("have ids of five digits, each once, in no order", () => {
    for (const ids of [data.tracks.map(({ id }) => id), data.users.map(({ id }) => id)]) {
      expect(new Set(ids).size).toBe(1000);
      expect(ids.every((id) => id >= 10_000 && id <= 99_999)).toBe(true);
      expect(ids).not.toEqual(ids.toSorted((left, right) => left - right));
    }
  });

  it("have one session for a user and a moment, of one to twelve tracks", () => {
    const keys = data.listen_history.map((row) => `${row.user_id} ${row.created_at}`);
    expect(new Set(keys).size).toBe(keys.length);
    const lengths = data.listen_history.map((row) => row.items?.length ?? 0);
    expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([1, 12]);
  });

  it("have the oddities of the source", () => {
    const odd = [...data.tracks, ...data.users].filter((row) => row.updated_at < row.created_at).length;
    expect(odd).toBeGreaterThan(400);
    expect(odd).toBeLessThan(600);
    expect(new Set(data.users.map(({ email }) => email)).size).toBeLessThan(1000);
    const created = new Map(data.tracks.map((track) => [track.id, track.created_at]));
    const early = data.listen_history.filter((row) =>
      row.items?.some((id) => (created.get(id) ?? "") > row.created_at),
    );
    expect(early.length).toBeGreaterThan(0);
    expect(early.length).toBeLessThan(50);
  });

  it("leave out a fraction of zero", () => {
    expect(formatTimestamp(1_770_000_000_000_000)).toBe("2026-02-02T02:40:00");
    expect(formatTimestamp(1_770_000_000_000_100)).toBe("2026-02-02T02:40:00.000100");
    expect(data.users.some(({ created_at }) => !created_at.includes("."))).toBe(true);
  });
});

describe("sizes of zero", () => {
  let api: Api;
  beforeAll(async () => {
    api = await startApi({ users: 0, tracks: 0 });
  });
  afterAll(() => api.stop());

  it.each(STREAMS)("answer an empty page of %s", async (stream) => {
    expect(await fetchText(api, `/${stream}`)).toBe('{"items":[],"total":0,"page":1,"size":100,"pages":0}');
  });
});
