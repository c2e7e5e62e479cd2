import { join } from "node:path";
import { all, type Case, none, type Report } from "./case.ts";
import {
  load,
  memoryMb,
  openFiles,
  rounded,
  servingProject,
  startServing,
  storedFeedback,
} from "./serving.ts";

const REQUESTS = { quick: 5_000, full: 1_000_000 } as const;
const TENTHS = 10;

/** Of twenty, sixteen lists, three words of listeners and one look at its health. */
const LINES = Array.from({ length: 200 }, (_, place) => {
  const kind = place % 20;
  if (kind === 0) return "/v1/health";
  if (kind > 3) return `/v1/users/u${place % 50}/recommendations?k=10`;
  const event = {
    user_id: `u${place % 50}`,
    track_id: `t${place % 40}`,
    kind: "listen",
    listened_ms: 40_000,
  };
  return `POST\t/v1/feedback\t${JSON.stringify(event)}`;
});

/** L-03: a long mixed load. */
export const longLoad: Case = {
  id: "L-03",
  run: async ({ size, projects }): Promise<Report> => {
    const folder = servingProject(projects);
    const server = await startServing(folder);
    const count = REQUESTS[size] / TENTHS;
    const p99s: number[] = [];
    const memory: number[] = [];
    const files: number[] = [];
    let [confirmed, errors] = [0, 0];
    try {
      for (let tenth = 0; tenth < TENTHS; tenth++) {
        const options = { lines: LINES, rate: 0, seconds: 600, connections: 16, count };
        const found = await load(server, options);
        confirmed += found.statuses["201"] ?? 0;
        errors += found.errors;
        p99s.push(found.p99 ?? 0);
        memory.push(memoryMb(server.pid));
        files.push(openFiles(server.pid));
      }
      const exit = await server.stop();
      const stored = [...storedFeedback(join(folder, "data/feedback.db")).values()];
      // The first three tenths are its warm-up.
      const [warm = 1, end = 1] = [memory[2], memory.at(-1)];
      const slope = ((end / warm - 1) * 100 * 100_000) / (count * (TENTHS - 3));
      const isFull = size === "full";
      return {
        figures: [
          { name: "requests", value: count * TENTHS },
          { name: "memory_mb", value: rounded(end) },
          { name: "slope_percent", value: rounded(slope), ...(isFull && { atMost: 1 }) },
          { name: "more_open_files", value: (files.at(-1) ?? 0) - (files[0] ?? 0), atMost: 16 },
          {
            ...{ name: "p99_of_first", value: rounded((p99s.at(-1) ?? 0) / (p99s[0] || 1)) },
            ...(isFull && { atMost: 1.2 }),
          },
          none("errors", errors),
          all(
            "feedback",
            stored.reduce((sum, { times }) => sum + times, 0),
            confirmed,
          ),
        ],
        failures: exit === 0 && confirmed > 0 ? [] : [`exit ${exit}, ${confirmed} confirmed`],
      };
    } finally {
      await server.kill();
    }
  },
};
