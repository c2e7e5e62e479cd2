import { setTimeout as delay } from "node:timers/promises";
import { writeServingStore } from "../reco/serving-files.ts";
import { type Case, none, type Report } from "./case.ts";
import type { Projects } from "./folders.ts";
import {
  type Client,
  createClient,
  memoryMb,
  rounded,
  type Server,
  servingFolder,
  servingProject,
  startServing,
} from "./serving.ts";

const NUMBERS = {
  quick: { swaps: 4, everyMs: 600, stops: 2 },
  full: { swaps: 50, everyMs: 6_000, stops: 100 },
} as const;
const RATE = 300;
const USERS = 50;

/** V-01: new models under load, and stops under load. */
export const swapsAndStops: Case = {
  id: "V-01",
  run: async ({ size, projects }): Promise<Report> => {
    const { swaps, everyMs, stops } = NUMBERS[size];
    const failures: string[] = [];
    const swapped = await swapUnderLoad(projects, { swaps, everyMs }, failures);
    let broken = 0;
    let slowest = 0;
    const folder = servingProject(projects, { users: USERS });
    for (let round = 0; round < stops; round++) {
      const stopped = await stopUnderLoad(folder);
      broken += stopped.broken;
      slowest = Math.max(slowest, stopped.seconds);
      if (stopped.exit !== 0) failures.push(`stop ${round}: exit ${stopped.exit}`);
    }
    return {
      figures: [
        ...swapped,
        { name: "stops", value: stops },
        none("broken_requests", broken),
        { name: "slowest_stop_s", value: rounded(slowest), atMost: 10 },
      ],
      failures,
    };
  },
};

async function swapUnderLoad(
  projects: Projects,
  { swaps, everyMs }: { swaps: number; everyMs: number },
  failures: string[],
) {
  const folder = servingProject(projects, { users: USERS });
  publish(folder, 2);
  const server = await startServing(folder);
  const client = createClient();
  const found = { answers: 0, wrong: 0, mixed: 0, versions: new Set<number>() };
  const flow = startFlow(client, server, (text, status) => {
    found.answers++;
    if (status !== 200) found.wrong++;
    else {
      const { model_version, items } = JSON.parse(text);
      found.versions.add(model_version);
      if (items.some(({ why }: { why: string }) => why !== `of version ${model_version}`)) found.mixed++;
    }
  });
  try {
    await delay(1_500);
    const before = memoryMb(server.pid);
    let most = before;
    for (let version = 3; version < 3 + swaps; version++) {
      publish(folder, version);
      await delay(everyMs);
      most = Math.max(most, memoryMb(server.pid));
    }
    await delay(1_000);
    await flow.stop();
    if (!found.versions.has(2 + swaps)) failures.push("the last version was never served");
    return [
      { name: "swaps", value: swaps },
      { name: "answers", value: found.answers },
      none("not_200", found.wrong + flow.broken()),
      none("mixed_answers", found.mixed),
      { name: "memory_ratio", value: rounded(most / before), atMost: 1.5 },
    ];
  } finally {
    client.close();
    await server.kill();
  }
}

/** Lists that say of which version they are. */
function publish(folder: string, version: number): void {
  writeServingStore(servingFolder(folder), {
    name: `n${String(version).padStart(4, "0")}`,
    ...{ version, users: USERS },
    spoil: (store) => {
      for (const table of ["lists", "fallbacks"])
        store.exec(
          `update ${table} set items = replace(items, 'because you play something', 'of version ${version}')`,
        );
    },
  });
}

/** Requests at a steady rate until it is stopped. */
function startFlow(
  client: Client,
  server: Server,
  onAnswer: (text: string, status: number, isLast: boolean) => void,
) {
  let number = 0;
  let broken = 0;
  const open = new Set<Promise<void>>();
  const from = performance.now();
  const timer = setInterval(() => {
    for (; number < ((performance.now() - from) / 1000) * RATE; number++) {
      const sent = client.ask(server.url, `/v1/users/u${number % 60}/recommendations?k=5`).then((answer) => {
        open.delete(sent);
        if (answer === undefined) broken++;
        else onAnswer(answer.text, answer.status, answer.headers.connection === "close");
      });
      open.add(sent);
    }
  }, 3);
  return {
    broken: () => broken,
    stop: async () => {
      clearInterval(timer);
      await Promise.all(open);
    },
  };
}

/** As behind a balancer: who hears that it is not ready any more asks elsewhere, and what was sent is answered. */
async function stopUnderLoad(folder: string) {
  const server = await startServing(folder);
  const client = createClient();
  let wrong = 0;
  let hasHeard = () => {};
  const heard = new Promise<void>((resolve) => {
    hasHeard = resolve;
  });
  const flow = startFlow(client, server, (_, status, isLast) => {
    if (status !== 200) wrong++;
    if (isLast) hasHeard();
  });
  await delay(300);
  const from = performance.now();
  const ended = server.stop();
  await Promise.race([heard, ended]);
  await flow.stop();
  const exit = await ended;
  client.close();
  return { broken: wrong + flow.broken(), exit, seconds: (performance.now() - from) / 1000 };
}
