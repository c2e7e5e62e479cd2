import { join } from "node:path";
import type { Random } from "../../moovitamix/world/random.ts";
import { type Case, none, type Report } from "./case.ts";
import {
  type Client,
  createClient,
  feedbackOf,
  type Server,
  servingProject,
  startServing,
  storedFeedback,
} from "./serving.ts";

const NUMBERS = { quick: { events: 600, kills: 3 }, full: { events: 50_000, kills: 200 } } as const;
const CLIENTS = 8;
const TRACKS = 40;

interface Found {
  /** By key, the track that was confirmed. */
  confirmed: Map<string, string>;
  sent: number;
  wrong409s: number;
  failures: string[];
}

/** V-03: feedback is stored exactly once. */
export const feedbackOnce: Case = {
  id: "V-03",
  run: async ({ size, random, projects }): Promise<Report> => {
    const { events, kills } = NUMBERS[size];
    const folder = servingProject(projects);
    const found: Found = { confirmed: new Map(), sent: 0, wrong409s: 0, failures: [] };
    const client = createClient(5 * CLIENTS);
    let server = await startServing(folder);
    let killed = 0;
    try {
      for (let round = 0; round < kills; round++) {
        const keys = keysOf(round, Math.ceil(events / kills));
        // Somewhere in the middle of the round, by what was confirmed of it.
        const killAt = found.confirmed.size + random.integer(1, keys.length - CLIENTS);
        const current = () => server;
        const clients = Array.from({ length: CLIENTS }, () =>
          sendAll(client, { keys, random, current, found }),
        );
        const restart = async () => {
          while (found.confirmed.size < killAt) await new Promise(setImmediate);
          await server.kill();
          killed++;
          server = await startServing(folder);
        };
        await Promise.all([...clients, restart()]);
      }
      const exit = await server.stop();
      if (exit !== 0) found.failures.push(`the last server ended with ${exit}`);
      return { figures: figures(folder, killed, found), failures: found.failures };
    } finally {
      client.close();
      await server.kill();
    }
  },
};

function keysOf(round: number, count: number): string[] {
  return Array.from({ length: count }, (_, place) => `key-${round}-${place}`);
}

function figures(folder: string, kills: number, { confirmed, sent, wrong409s }: Found) {
  const stored = storedFeedback(join(folder, "data/feedback.db"));
  const lost = [...confirmed].filter(([key, track]) => stored.get(key)?.track !== track).length;
  const twice = [...stored.values()].filter(({ times }) => times > 1).length;
  return [
    { name: "events", value: confirmed.size },
    { name: "sent", value: sent },
    { name: "sigkills", value: kills },
    none("confirmed_and_lost", lost),
    none("stored_twice", twice),
    none("wrong_409s", wrong409s),
  ];
}

/** Sends the keys that no other client has taken, each until it is confirmed. */
async function sendAll(
  client: Client,
  { keys, random, current, found }: { keys: string[]; random: Random; current: () => Server; found: Found },
): Promise<void> {
  for (let key = keys.pop(); key !== undefined; key = keys.pop()) {
    const track = random.integer(0, TRACKS - 2);
    const one = key;
    const send = (number: number) => {
      found.sent++;
      const event = { user_id: `u${track}`, track_id: `t${number}`, kind: "like" };
      return client.ask(current().url, "/v1/feedback", feedbackOf(one, event));
    };
    const times = random.integer(1, 5);
    while (!found.confirmed.has(one)) {
      const answers = await Promise.all(Array.from({ length: times }, () => send(track)));
      for (const answer of answers) {
        if (answer?.status === 201) found.confirmed.set(one, `t${track}`);
        else if (answer?.status === 409) found.wrong409s++;
        else if (answer !== undefined && answer.status !== 503)
          found.failures.push(`${one}: ${answer.status} ${answer.text}`);
      }
      if (answers.every((answer) => answer === undefined)) await new Promise((next) => setTimeout(next, 20));
    }
    if (times > 1) continue;
    const other = await send(track + 1);
    if (other !== undefined && other.status !== 409 && other.status !== 503)
      found.failures.push(`${one} with another body: ${other.status}`);
  }
}
