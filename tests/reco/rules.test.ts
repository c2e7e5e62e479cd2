import { describe, expect, test } from "vitest";
import { type Served, send, serve, tell } from "./serving-files.ts";

interface Item {
  rank: number;
  track_id: string;
  artist: string;
}

/** Every list that an answer can have, of a known user who has said something, of one who has not, and of a stranger. */
async function allLists({ url }: Served): Promise<Map<string, Item[]>> {
  for (const track_id of ["t3", "t30"]) await tell(url, { user_id: "u0", track_id, kind: "like" });
  await tell(url, { user_id: "u0", track_id: "t6", kind: "dislike" });
  const lists = new Map<string, Item[]>();
  const ask = async (path: string) => (await send(url, path)).body;
  for (const user of ["u0", "u1", "nobody"]) {
    for (const query of ["k=1", "k=100", "k=100&shelf=on_repeat", "k=100&genre=Jazz", "exclude_seen=false"])
      lists.set(`${user} ${query}`, (await ask(`/v1/users/${user}/recommendations?${query}`)).items);
    for (const { name, items } of (await ask(`/v1/users/${user}/playlists`)).playlists)
      lists.set(`${user} ${name}`, items);
  }
  for (const track of ["t2", "t30"])
    lists.set(`similar to ${track}`, (await ask(`/v1/tracks/${track}/similar?k=100`)).items);
  return lists;
}

const idsOf = (items: Item[] | undefined) => (items ?? []).map(({ track_id }) => track_id);

describe("the rules of today hold for every list that was made by others", () => {
  const isOf = (genre: "Rock" | "Jazz") => (id: string) =>
    Number(id.slice(1)) % 2 === (genre === "Rock" ? 0 : 1);
  test.each<[string, string, (id: string, item: Item) => boolean]>([
    ["tracks", "{blocked_tracks: [t0, t3, t4, t31, t35]}", (id) => /^t([034]|31|35)$/.test(id)],
    ["artists", "{blocked_artists: [Artist 3]}", (_, { artist }) => artist === "Artist 3"],
    ["genres", "{blocked_genres: [Rock]}", isOf("Rock")],
  ])("blocked %s are in none, and ranks have no gaps", async (_, rules, isBlocked) => {
    const lists = await allLists(await serve(`{rules: ${rules}}`));
    expect(lists.size).toBe(20);
    for (const [name, items] of lists) {
      expect([name, items.filter((item) => isBlocked(item.track_id, item))]).toEqual([name, []]);
      expect(items.map(({ rank }) => rank)).toEqual(items.map((_, place) => place + 1));
    }
    expect([...lists.values()].flat().length).toBeGreaterThan(50);
  });

  test("no artist is more often in one than allowed", async () => {
    const lists = await allLists(await serve("{rules: {max_per_artist: 1}}"));
    for (const [name, items] of lists) {
      const artists = items.map(({ artist }) => artist);
      expect([name, artists]).toEqual([name, [...new Set(artists)]]);
    }
  });

  test("no reason is given for a blocked track", async () => {
    const { url } = await serve("{rules: {blocked_tracks: [t1]}}");
    expect((await send(url, "/v1/users/u0/tracks/t1/why")).body).toMatchObject({
      recommended: false,
      reasons: [],
    });
  });
});

test("without rules what is liked brings its neighbours, no artist more than three times", async () => {
  const lists = await allLists(await serve());
  expect(idsOf(lists.get("u0 k=100"))).toEqual(expect.arrayContaining(["t31", "t4"]));
  expect(idsOf(lists.get("u0 k=100&shelf=on_repeat")).slice(0, 2)).toEqual(["t30", "t3"]);
  for (const [name, items] of lists)
    for (const { artist } of items)
      expect([name, items.filter((one) => one.artist === artist).length <= 3]).toEqual([name, true]);
});
