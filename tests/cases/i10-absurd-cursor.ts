import { join } from "node:path";
import { all, type Case, type Ground, none, type Report } from "./case.ts";
import { runCommand } from "./command.ts";
import { FEED_STREAMS, type FeedRecord, feedProject, second, startFeed } from "./feed.ts";
import { readRows } from "./read.ts";

const ODD = 777;
const epoch = (number: number) => Date.UTC(2026, 0, 1) / 1000 + number;

interface Form {
  name: string;
  /** The odd record beside those with the moments 0 to 20. */
  at: unknown;
  isEpoch?: boolean;
}

const FORMS: readonly Form[] = [
  { name: "2999", at: "2999-01-01T00:00:00Z" },
  { name: "null", at: null },
  { name: "missing", at: undefined },
  { name: "no time zone", at: "2026-01-01T09:00:00" },
  { name: "+14:00", at: "2026-01-01T14:00:05+14:00" },
  { name: "milliseconds", at: epoch(5) * 1000, isEpoch: true },
];

const momentOf = (value: unknown) => (typeof value === "number" ? value : Date.parse(String(value)) / 1000);

/** I-10: one record has a cursor that nobody can mean. */
export const absurdCursor: Case = {
  id: "I-10",
  run: async ({ projects }: Ground): Promise<Report> => {
    const failures: string[] = [];
    let warnings = 0;
    for (const form of FORMS) {
      const feed = await startFeed(
        ({ at }, since) => momentOf(at) >= momentOf(/^\d+$/.test(since) ? Number(since) : since),
      );
      const unit = form.isEpoch ? ', unit: "s"' : "";
      const cursor = `cursor: { field: "at", parameter: "since"${unit} }`;
      const cwd = projects.make(feedProject(`mode: "incremental", ${cursor}`, { pageSize: 10 }));
      const regular = (count: number): FeedRecord[] =>
        Array.from({ length: count }, (_, id) => ({ id, at: form.isEpoch ? epoch(id) : second(id) }));
      const ingest = async (list: FeedRecord[]) => {
        for (const stream of FEED_STREAMS) feed.lists.set(stream, list);
        return runCommand(["ingest"], { cwd, env: { FEED_URL: feed.url } });
      };
      try {
        const odd = form.at === undefined ? { id: ODD } : { id: ODD, at: form.at };
        const first = await ingest([...regular(20).toSpliced(7, 0, odd)]);
        if (first.exitCode !== 0) failures.push(`${form.name}: exit ${first.exitCode}: ${first.stderr}`);
        if (first.stderr.includes(`key ${ODD}`)) warnings++;
        await ingest([...regular(30), odd]);
      } finally {
        await feed.stop();
      }
      const file = join(cwd, "data/warehouse.duckdb");
      const keys = (await readRows(file, "select _key from raw_feed.a_latest")).map(([key]) => Number(key));
      const missed = [...regular(30).map(({ id }) => id), ODD].filter((id) => !keys.includes(id));
      if (missed.length > 0) failures.push(`${form.name}: missed ${missed}`);
      const cursors = await readRows(
        file,
        `select "cursor" from raw_feed._loads where stream = 'a' order by load_id`,
      );
      const expected = [19, 29].map((id) => String(form.isEpoch ? epoch(id) : second(id)));
      if (cursors.join() !== expected.join())
        failures.push(`${form.name}: passed: the cursors are ${cursors}`);
    }
    const count = (word: string) => failures.filter((failure) => failure.includes(word)).length;
    return {
      figures: [
        { name: "forms", value: FORMS.length },
        none("missed", count("missed")),
        none("cursors_moved_too_far", count("passed")),
        all("warnings", warnings, FORMS.length),
      ],
      failures,
    };
  },
};
