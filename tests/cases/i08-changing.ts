import type { Random } from "../../moovitamix/world/random.ts";
import { type Form, listSource, rowTexts, startListServer } from "../ingest/list-server.ts";
import { createWorld } from "../ingest/world.ts";
import { type Case, none } from "./case.ts";

const FORMS: Form[] = ["page", "offset", "cursor", "keyset", "header", "link", "next_url", "range"];
const RECORDS = 95;
const LAST_PAGE = 10;
const MOST_RECORDS = 20;

interface Run {
  form: Form;
  random: Random;
}

interface Found {
  isComplete: boolean;
  isReadAgain: boolean;
  lost: number;
  duplicated: number;
}

/** I-08: records come to and leave the head of a list while it is read. */
export const changingWhilePaged: Case = {
  id: "I-08",
  run: async ({ size, random }) => {
    const found: Found[] = [];
    const failures: string[] = [];
    for (const form of FORMS) {
      for (let seed = 0; seed < (size === "full" ? 30 : 4); seed++) {
        const one = await readWhileItChanges({ form, random });
        found.push(one);
        if (one.lost + one.duplicated > 0) failures.push(`${form}, run ${seed}: ${JSON.stringify(one)}`);
      }
    }
    const sum = (value: (one: Found) => number) => found.reduce((total, one) => total + value(one), 0);
    return {
      figures: [
        { name: "runs", value: found.length },
        { name: "complete", value: sum(({ isComplete }) => Number(isComplete)) },
        { name: "read_again", value: sum(({ isReadAgain }) => Number(isReadAgain)) },
        none(
          "lost",
          sum(({ lost }) => lost),
        ),
        none(
          "duplicated",
          sum(({ duplicated }) => duplicated),
        ),
      ],
      failures,
    };
  },
};

async function readWhileItChanges({ form, random }: Run): Promise<Found> {
  const server = await startListServer({ form, list: rowTexts(RECORDS) });
  const world = await createWorld({ url: server.url, source: listSource(form) });
  let always = new Set(server.list);
  let nextId = RECORDS + 1;
  const moments = Array.from({ length: random.integer(1, 3) }, () => random.integer(2, LAST_PAGE));
  server.onRequest = (nth) => {
    if (!moments.includes(nth)) return;
    const count = random.integer(0, MOST_RECORDS);
    if (random.chance(0.5)) server.list = server.list.slice(count);
    else {
      server.list = [...rowTexts(count, nextId), ...server.list];
      nextId += count;
    }
    const there = new Set(server.list);
    always = new Set([...always].filter((text) => there.has(text)));
  };
  try {
    const { status } = await world.loadOne("tracks");
    const isComplete = status === "ok";
    const texts = isComplete ? await world.texts("tracks") : [];
    const landed = new Set(texts);
    return {
      isComplete,
      isReadAgain: world.log.some(({ event }) => event === "reading_restarted"),
      lost: isComplete ? [...always].filter((text) => !landed.has(text)).length : 0,
      duplicated: texts.length - landed.size,
    };
  } finally {
    world.close();
    await server.stop();
  }
}
