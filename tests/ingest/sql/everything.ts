import { z } from "zod";
import type { SqlStreamDefinition } from "../../../core/sillon.ts";
import type { World } from "../world.ts";

/** A table with columns of most types, and their odd values. */
export const EVERYTHING = `create table everything (
  id bigint, code text, uid uuid, day date, small smallint, flag boolean, name varchar(40), padded char(5),
  price numeric(12, 2), free numeric, ratio double precision, narrow real, at timestamptz, local timestamp,
  span interval, clock time, bytes bytea, tags text[], grid int[], document jsonb, whole int not null
);
insert into everything
select 9007199254740990 + n, 'c' || n, md5(n::text)::uuid, date '2024-01-01' + n, n, n % 2 = 0, 'n' || n, 'p',
  n / 7.0, n / 3.0, n / 3.0::float8, n / 3.0::float4, timestamptz '2024-01-01 00:00+00' + n * interval '1.5 seconds',
  timestamp '2024-01-01' + n * interval '1 hour', n * interval '1 minute', time '10:00' + n * interval '1 second',
  decode(md5(n::text), 'hex'), array['a', null, n::text], array[[n, 1]], jsonb_build_object('n', n, 'd', n / 4.0), n
from generate_series(1, 300) as n;
insert into everything values
  (1, E'tab\\t, line\\n, return\\r, quote", back\\\\slash, \\u0001, \\u007f, é, \\U0001F600, \\\\N, \\\\t', null, 'infinity', null, null, '', null,
    'NaN', 'NaN', 'NaN', 'NaN', 'infinity', '-infinity', null, null, '', '{}', null, 'null', 1),
  (2, E'\\\\', null, '0044-03-15 BC', null, null, '\\"', 'é', 0, 0, 'Infinity', '-Infinity', '0044-03-15 01:02:03+00 BC', '20000-01-01', null, null, '\\x00', array[]::text[], '{}', '"te\\\\u00e9xt"', 2),
  (3, '', null, '12000-01-01', null, null, null, null, null, 1e500, 1e300, 1e-20, '12000-01-01 00:00+00', '0001-01-01', null, null, null, null, null, '[1, 2.50]', 3),
  (4, 'null', null, null, -1, true, null, null, -0.10, 1.000, '-0', 1e10, null, null, null, null, null, null, null, '1e2', 4),
  (5, '[1]', null, null, null, null, null, null, null, null, null, null, '2024-05-01 12:00:00.100000+02', null, null, null, null, null, null, 'true', 5),
  (6, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, '1.5', 6),
  (null, 'none', null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, 7)`;

export type Case = [string, Partial<SqlStreamDefinition>];

/** Streams of it. */
export const CASES: Case[] = [
  ["a number as key", {}],
  ["a text as key", { key: ["code"] }],
  ["a date as key", { key: ["day"] }],
  ["a key of several members", { key: ["id", "code", "at"] }],
  [
    "the newest version by timestamptz",
    {
      key: ["whole"],
      query: "select whole % 50 as whole, at, code, id from everything",
      updatedAt: "at",
    },
  ],
  [
    "the newest version by timestamp",
    {
      key: ["whole"],
      query: "select whole % 50 as whole, local, id from everything",
      updatedAt: "local",
    },
  ],
  [
    "the newest version by date",
    { key: ["whole"], query: "select whole % 50 as whole, day, id from everything", updatedAt: "day" },
  ],
  ["the newest version by what is no time", { key: ["small"], updatedAt: "id" }],
  [
    "a contract that some break",
    {
      record: z.looseObject({
        id: z.number(),
        small: z.int(),
        name: z.string().nullable(),
        free: z.unknown(),
        flag: z.boolean(),
      }),
    },
  ],
  [
    "a contract of what differs",
    {
      record: z.looseObject({
        price: z.number().nullable(),
        ratio: z.number().optional(),
        document: z.string(),
      }),
    },
  ],
  ["no key", { key: [], mode: "append" }],
];

/** All that a load leaves behind. */
export async function cells(world: World) {
  const ordered = async (columns: string, table: string) =>
    world.rows(`select ${columns} from raw_shop.${table} order by all`);
  return {
    versions: await ordered("_key, _hash, _from_load, _to_load, _deleted, record", "items"),
    quarantine: await ordered("stream, reason, key, record", "_quarantine"),
    members: await ordered(
      "stream, member, type, from_load, to_load, change, records, of_records",
      "_schema",
    ),
    loads: await ordered(
      "mode, outcome, received, new, changed, unchanged, duplicate, quarantined, size_bytes > 0",
      "_loads",
    ),
  };
}
