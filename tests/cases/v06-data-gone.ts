import { spawnSync } from "node:child_process";
import { renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import Sqlite from "libsql";
import { createInstance } from "../../engines/duckdb.ts";
import { type Case, none, type Report } from "./case.ts";
import {
  type Client,
  createClient,
  feedbackOf,
  type Server,
  servingProject,
  startServing,
  storedFeedback,
  until,
} from "./serving.ts";

const SECONDS = { quick: 1, full: 300 } as const;
const RATE = 100;
/** Of so many requests one is a word of a listener. */
const FEEDBACK_EACH = 5;
const CONNECTIONS = 400;
const HEALED_S = 10;

const WAREHOUSE = "data/warehouse.duckdb";
const STATE = "data/state.db";
const FEEDBACK = "data/feedback.db";
const SERVING = "data/serving";

/** What befalls the data of a server. */
interface Situation {
  /** Returns how it ends. Throws NotHere when it cannot be done on this machine. */
  begin(folder: string): Promise<() => void>;
  /** Whether a server can be started meanwhile. */
  canStart: boolean;
}

/** V-06: its data is busy or gone. */
export const dataGone: Case = {
  id: "V-06",
  run: async ({ size, projects }): Promise<Report> => {
    const failures: string[] = [];
    const notRun: string[] = [];
    const found = { reads: 0, failedReads: 0, confirmed: 0, refused: 0, lost: 0, twice: 0, crashes: 0 };
    const meetOne = async ([name, situation]: [string, Situation]) => {
      const folder = servingProject(projects);
      const one = await meet(folder, situation, SECONDS[size]).catch((error: unknown) => {
        if (!(error instanceof NotHere)) throw error;
        notRun.push(`${name}: ${error.message}`);
      });
      if (one === undefined) return;
      failures.push(...one.failures.map((what) => `${name}: ${what}`));
      for (const key of Object.keys(found) as (keyof typeof found)[]) found[key] += one[key];
    };
    await Promise.all(Object.entries(SITUATIONS).map(meetOne));
    return {
      figures: [
        { name: "situations", value: Object.keys(SITUATIONS).length - notRun.length },
        { name: "reads", value: found.reads },
        none("failed_reads", found.failedReads),
        { name: "feedback_confirmed", value: found.confirmed },
        { name: "feedback_503", value: found.refused },
        none("confirmed_and_lost", found.lost),
        none("stored_twice", found.twice),
        none("crashes", found.crashes),
      ],
      failures,
      notRun,
    };
  },
};

class NotHere extends Error {}

const SITUATIONS: Record<string, Situation> = {
  "a batch job holds the databases": {
    canStart: true,
    begin: async (folder) => {
      const { instance } = await createInstance(join(folder, WAREHOUSE), {});
      const held = [STATE, FEEDBACK].map((file) => {
        const database = new Sqlite(join(folder, file));
        database.exec("begin immediate");
        return database;
      });
      return () => {
        for (const database of held) {
          database.exec("rollback");
          database.close();
        }
        instance.closeSync();
      };
    },
  },
  "the files of the databases are moved away": {
    canStart: false,
    begin: async (folder) => {
      const files = [WAREHOUSE, STATE, FEEDBACK].map((file) => join(folder, file));
      for (const file of files) renameSync(file, `${file}.away`);
      return () => {
        for (const file of files) renameSync(`${file}.away`, file);
      };
    },
  },
  "the registry is read-only": {
    canStart: true,
    begin: async (folder) => {
      const places = [SERVING, STATE].map((name) => join(folder, name));
      const undo = () => {
        for (const place of places) spawnSync("umount", ["--lazy", place]);
      };
      for (const place of places)
        for (const args of [
          ["--bind", place, place],
          ["-o", "remount,ro,bind", place],
        ]) {
          const { status, stderr, error } = spawnSync("mount", args, { encoding: "utf8" });
          if (status === 0) continue;
          undo();
          throw new NotHere(`nothing can be mounted: ${error?.message ?? stderr.trim()}`);
        }
      return undo;
    },
  },
};

interface Found {
  reads: number;
  failedReads: number;
  confirmed: Map<string, string>;
  refused: number;
  failures: string[];
}

async function meet(folder: string, { begin, canStart }: Situation, seconds: number) {
  (await createInstance(join(folder, WAREHOUSE), {})).instance.closeSync();
  const found: Found = { reads: 0, failedReads: 0, confirmed: new Map(), refused: 0, failures: [] };
  let server = await startServing(folder);
  const ends: unknown[] = [];
  const restart = async () => {
    ends.push(await server.stop());
    server = await startServing(folder);
  };
  try {
    await ask(server, { seconds: 0.5, found });
    const end = await begin(folder);
    try {
      await ask(server, { seconds: seconds / 2, found });
      if (canStart) await restart();
      await ask(server, { seconds: seconds / 2, found });
    } finally {
      end();
    }
    const healed = { ...found, refused: 0 };
    const isHealed = async () => {
      const before = found.confirmed.size;
      await ask(server, { seconds: 1 / RATE, found: healed });
      return found.confirmed.size > before;
    };
    if (!(await until(isHealed, HEALED_S))) found.failures.push("feedback is still refused afterwards");
    ends.push(await server.stop());
  } finally {
    await server.kill();
  }
  const stored = storedFeedback(join(folder, FEEDBACK));
  return {
    ...{ reads: found.reads, failedReads: found.failedReads, refused: found.refused },
    ...{ confirmed: found.confirmed.size, failures: found.failures },
    lost: [...found.confirmed].filter(([key, track]) => stored.get(key)?.track !== track).length,
    twice: [...stored.values()].filter(({ times }) => times > 1).length,
    crashes: ends.filter((end) => end !== 0).length,
  };
}

let keys = 0;

/** Requests at a steady rate; it ends when all of them are answered. */
async function ask(server: Server, { seconds, found }: { seconds: number; found: Found }): Promise<void> {
  const [readers, listeners] = [createClient(), createClient(CONNECTIONS)];
  const sent: Promise<void>[] = [];
  const from = performance.now();
  for (let number = 0; number < seconds * RATE; number++) {
    const waitMs = from + (number * 1000) / RATE - performance.now();
    if (waitMs > 0) await delay(waitMs);
    const isWord = number % FEEDBACK_EACH === 0;
    sent.push(isWord ? tell(listeners, server, found) : read(readers, server, { number, found }));
  }
  await Promise.all(sent);
  for (const client of [readers, listeners]) client.close();
}

async function read(client: Client, { url }: Server, { number, found }: { number: number; found: Found }) {
  const path = `/v1/users/u${number % 60}/recommendations?k=${1 + (number % 10)}`;
  const answer = await client.ask(url, path);
  found.reads++;
  if (answer?.status !== 200) {
    found.failedReads++;
    found.failures.push(`${path}: ${answer?.status ?? "no answer"} ${answer?.text ?? ""}`);
  }
}

async function tell(client: Client, { url }: Server, found: Found) {
  const number = keys++;
  const [key, track_id] = [`key-${number}`, `t${number % 40}`];
  const event = { user_id: `u${number % 60}`, track_id, kind: "like" };
  const answer = await client.ask(url, "/v1/feedback", feedbackOf(key, event));
  if (answer?.status === 201) found.confirmed.set(key, track_id);
  else if (answer?.status === 503) found.refused++;
  else found.failures.push(`${key}: ${answer?.status ?? "no answer"} ${answer?.text ?? ""}`);
}
