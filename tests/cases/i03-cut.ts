import { gzipSync } from "node:zlib";
import { parseFaults } from "../../moovitamix/faults.ts";
import { type Api, startApi } from "../../moovitamix/server.ts";
import type { Random } from "../../moovitamix/world/random.ts";
import { createWorld, type World } from "../ingest/world.ts";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { startProxy, type WireFault } from "./proxy.ts";

const OFFSETS = { quick: 8, full: 40 } as const;
const [TRACKS, PAGE] = [250, 2];
const FORMS = ["length", "chunked", "gzip", "wire"] as const;
type Form = (typeof FORMS)[number];
/** The cut lasts: the attempts are used up. */
const LASTING = { quick: 1, full: 5 } as const;

interface Stage {
  api: Api;
  world: World;
  form: Form;
  random: Random;
  /** What the next answers of the proxy come to. */
  wire: WireFault[];
  failures: string[];
}

/** I-03: the body of an answer ends early, in three forms of HTTP and at any byte of the connection, headers included. */
export const cutBodies: Case = {
  id: "I-03",
  run: async ({ size, random }: Ground): Promise<Report> => {
    const failures: string[] = [];
    let told = 0;
    for (const form of FORMS) {
      const api = await startApi({ users: 10, tracks: TRACKS, plays: 100 });
      const wire: WireFault[] = [];
      const proxy = await startProxy(api, () => wire.shift());
      const url = form === "wire" ? `http://127.0.0.1:${proxy.port}` : api.url;
      const visible = { expected: [] as string[], seen: 0 };
      const world = await createWorld({
        url,
        onSleep: async () => {
          const texts = await world.texts("tracks");
          if (texts.join() !== visible.expected.join()) visible.seen++;
        },
      });
      const stage: Stage = { api, world, form, random, wire, failures };
      try {
        rename(api, 0);
        await world.loadOne("tracks");
        const offsets = await offsetsOf(stage, OFFSETS[size]);
        for (const bytes of offsets) {
          visible.expected = textsOf(api);
          rename(api, bytes);
          await cutOnce(stage, bytes);
          if (visible.seen > 0) failures.push(`${form} at ${bytes}: rows of a cut page were visible`);
          visible.seen = 0;
        }
        for (const bytes of offsets.slice(-LASTING[size])) told += await cutForGood(stage, bytes);
      } finally {
        world.close();
        await proxy.stop();
        await api.stop();
      }
    }
    const count = (word: string) => failures.filter((text) => text.includes(word)).length;
    return {
      figures: [
        { name: "cuts", value: FORMS.length * OFFSETS[size] },
        none("undetected", count("undetected")),
        none("rows_of_cut_pages_visible", count("visible")),
        none("not_recovered", count("not recovered")),
        all("lasting_cuts_told", told, FORMS.length * LASTING[size]),
      ],
      failures,
    };
  },
};

const textsOf = (api: Api) => api.data.tracks.map((track) => JSON.stringify(track)).sort();

/** Another version of every record, as long as any other. */
function rename(api: Api, number: number): void {
  for (const track of api.data.tracks) track.name = String(number).padStart(10);
}

/** The first bytes, the last ones, and others by chance: of the page as it goes over the wire. */
async function offsetsOf({ api, form, random }: Stage, count: number): Promise<number[]> {
  const answer = await fetch(`${api.url}/tracks?page=${PAGE}&size=100`);
  const body = Buffer.from(await answer.arrayBuffer());
  const length = form === "gzip" ? gzipSync(body).length : body.length;
  const edges = [0, 1, length - 1, length - 4, length - 8].slice(0, Math.ceil(count / 2));
  const others = Array.from({ length: count - edges.length }, () => random.integer(2, length - 9));
  return [...edges, ...others];
}

function strike({ api, form, wire }: Stage, bytes: number, times: number): void {
  if (form !== "wire") {
    api.faults = parseFaults(`cut(framing=${form},bytes=${bytes})@tracks/${PAGE}x${times}`);
    return;
  }
  // A turn is an answer: the second and later ones of a load are pages after the first.
  wire.splice(0);
  wire.push({ kind: "delay", ms: 0 });
  for (let time = 0; time < times; time++) wire.push({ kind: "cut", bytes });
}

async function cutOnce(stage: Stage, bytes: number): Promise<void> {
  const { api, world, form, failures } = stage;
  strike(stage, bytes, 1);
  const { status, retries, error } = await world.loadOne("tracks", { concurrency: 1 });
  const place = `${form} at ${bytes}`;
  if (status !== "ok") failures.push(`${place}: not recovered: ${error?.message}`);
  if (retries < 1) failures.push(`${place}: undetected`);
  if ((await world.texts("tracks")).join() !== textsOf(api).join())
    failures.push(`${place}: undetected: other records than the service's`);
}

/** 1 when the failure names stream, page and bytes, and nothing was changed. */
async function cutForGood(stage: Stage, bytes: number): Promise<number> {
  const { api, world, form, failures } = stage;
  const former = (await world.texts("tracks")).join();
  rename(api, -bytes);
  strike(stage, bytes, 99);
  const { status, error } = await world.loadOne("tracks", { concurrency: 1, max_attempts: 3 });
  stage.wire.splice(0);
  api.faults = [];
  // What comes over the wire may end within the headers: then nothing is known of a body.
  const amount = {
    length: /broke off after \d+ of \d+ bytes/,
    chunked: /broke off after \d+ bytes/,
    gzip: /broke off after \d+ compressed bytes/,
    wire: /broke off after \d+ of \d+ bytes|closed by the other side|was reset/,
  }[form];
  const said = error?.message ?? "";
  const isTold = status === "failed" && /^moovitamix\.tracks, page \d+: /.test(said) && amount.test(said);
  if (!isTold) failures.push(`${form} at ${bytes} for good: ${status}: ${said}`);
  if ((await world.texts("tracks")).join() !== former)
    failures.push(`${form} at ${bytes} for good: rows of a cut load are visible`);
  return isTold && error?.exitCode === 1 ? 1 : 0;
}
