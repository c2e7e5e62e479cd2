import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import type { Random } from "../../moovitamix/world/random.ts";
import { type StoreOptions, writeServingStore } from "../reco/serving-files.ts";
import { type Case, none, type Report } from "./case.ts";
import { createClient, LIST, servingFolder, servingProject, startServing, until } from "./serving.ts";

interface Damage {
  name: string;
  store?: Partial<StoreOptions>;
  /** To the bytes of the finished file; undefined removes it. */
  bytes?: (whole: Buffer, random: Random) => Buffer | undefined;
  /** What is written instead of the pointer. */
  pointer?: (file: string) => string;
}

const cut = (share: number): Damage => ({
  name: `cut at ${share}`,
  bytes: (whole) => whole.subarray(0, Math.floor(whole.length * share)),
});
const changed = (number: number): Damage => ({
  name: `byte changed ${number}`,
  bytes: (whole, random) => {
    const place = random.integer(0, whole.length - 1);
    whole[place] = (whole[place] ?? 0) ^ (1 << random.integer(0, 7));
    return whole;
  },
});
const spoilt = (name: string, sql: string): Damage => ({
  name,
  store: { spoil: (store) => store.exec(sql) },
});

const DAMAGES: readonly Damage[] = [
  cut(0.5),
  changed(1),
  { name: "empty", bytes: () => Buffer.alloc(0) },
  { name: "missing", bytes: () => undefined },
  { name: "an older format", store: { meta: { format: 0 } } },
  spoilt(
    "a score that is no number",
    `update lists set items = replace(items, '"score":1.9', '"score":"NaN"')`,
  ),
  { name: "another number of users", store: { meta: { users: 7 } } },
  { name: "a pointer that is cut", pointer: (file) => `{"store": "${file.slice(0, 4)}` },
  cut(0.1),
  cut(0.999),
  changed(2),
  changed(3),
  changed(4),
  { name: "noise", bytes: (whole, random) => Buffer.from(whole.map(() => random.integer(0, 255))) },
  { name: "a newer format", store: { meta: { format: 2 } } },
  spoilt(
    "a score beyond all bounds",
    `update lists set items = replace(items, '"score":1.9', '"score":1e999')`,
  ),
  spoilt("no list for strangers", "delete from fallbacks where segment = 'all'"),
  spoilt("lists that are missing", "delete from lists where shelf = 'discover' and user_id > 'u3'"),
  { name: "an empty pointer", pointer: () => "" },
  { name: "a pointer to elsewhere", pointer: (file) => `{"store": "../${file}", "model_version": 2}` },
];
const QUICK = 8;

/** V-02: damaged lists. */
export const damagedLists: Case = {
  id: "V-02",
  run: async ({ size, random, projects }): Promise<Report> => {
    const failures: string[] = [];
    const damages = size === "quick" ? DAMAGES.slice(0, QUICK) : DAMAGES;
    const folder = servingProject(projects, { users: 5 });
    const server = await startServing(folder);
    const client = createClient();
    const body = async (path: string) => JSON.parse((await client.ask(server.url, path))?.text ?? "{}");
    let served = 0;
    try {
      for (const [number, damage] of damages.entries()) {
        const before = JSON.stringify((await body("/v1/health")).problems);
        const undo = inflict(servingFolder(folder), { damage, random, number });
        const isTold = await until(async () => {
          const { problems } = await body("/v1/health");
          return problems.length > 0 && JSON.stringify(problems) !== before;
        }, 5);
        const { ready, problems } = await body("/v1/health");
        if ((await body(LIST)).model_version !== 1) {
          served++;
          failures.push(`${damage.name}: served`);
        }
        if (!isTold || ready !== true) failures.push(`${damage.name}: ready ${ready}, ${problems}`);
        if (String(problems).includes(folder)) failures.push(`${damage.name}: health names a path`);
        undo();
        await until(async () => (await body("/v1/health")).problems.length === 0, 3);
      }
      const crashes = server.child.exitCode === null ? 0 : 1;
      const alone = await withoutAGoodOne(projects.make({}), random);
      return {
        figures: [
          { name: "damages", value: damages.length },
          none("served", served),
          none("crashes", crashes + alone.crashes),
          none("not_503_without_a_good_one", alone.others),
        ],
        failures,
      };
    } finally {
      client.close();
      await server.kill();
    }
  },
};

/** Puts a damaged store where the next one is expected; returns how to point to the good one again. */
function inflict(
  serving: string,
  { damage, random, number }: { damage: Damage; random: Random; number: number },
): () => void {
  const pointer = join(serving, "current.json");
  const former = readFileSync(pointer);
  // Aside at first, so that it is never seen whole.
  const aside = join(serving, "aside");
  const file = writeServingStore(aside, { name: `z${number}`, version: 2, users: 5, ...damage.store });
  const name = basename(file);
  const bytes = damage.bytes === undefined ? readFileSync(file) : damage.bytes(readFileSync(file), random);
  if (bytes !== undefined) writeFileSync(join(serving, name), bytes);
  const text = damage.pointer?.(name) ?? readFileSync(join(aside, "current.json"), "utf8");
  writeFileSync(pointer, text);
  rmSync(aside, { recursive: true });
  return () => {
    writeFileSync(pointer, former);
    rmSync(join(serving, name), { force: true });
  };
}

async function withoutAGoodOne(folder: string, random: Random): Promise<{ others: number; crashes: number }> {
  const file = writeServingStore(servingFolder(folder), { name: "a", version: 1 });
  writeFileSync(file, changed(0).bytes?.(readFileSync(file), random) ?? "");
  const server = await startServing(folder);
  const client = createClient();
  try {
    const statuses = [];
    for (const path of [LIST, "/v1/health", "/v1/users/u0/playlists", "/v1/tracks/t1/similar"])
      statuses.push((await client.ask(server.url, path))?.status);
    return {
      others: statuses.filter((status) => status !== 503).length,
      crashes: server.child.exitCode === null ? 0 : 1,
    };
  } finally {
    client.close();
    await server.kill();
  }
}
