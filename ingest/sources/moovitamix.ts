import { defineSource } from "sillon";
import { z } from "zod";

/** Of 64 bits, as the models take it. JSON.parse rounds beyond 2^53, but only the type is judged here. */
const integer = z
  .number()
  .refine((value) => Number.isInteger(value) && Math.abs(value) < 2 ** 63, "expected an integer of 64 bits");
/** ISO without a zone (UTC); the fraction is left out when it is zero. */
const timestamp = z.iso.datetime({ local: true, offset: true });
const times = { created_at: timestamp, updated_at: timestamp };

const track = z.looseObject({
  id: integer,
  name: z.string(),
  artist: z.string(),
  songwriters: z.string(),
  duration: z.string(),
  genres: z.string(),
  album: z.string(),
  ...times,
});

const user = z.looseObject({
  id: integer,
  first_name: z.string(),
  last_name: z.string(),
  email: z.string(),
  gender: z.string(),
  favorite_genres: z.string(),
  ...times,
});

const listen = z.looseObject({
  user_id: integer.nullable(),
  items: z.array(integer).nullable(),
  ...times,
});

/** The music service. It filters nothing and marks nothing, so each load reads all pages and compares. */
export const source = defineSource({
  name: "moovitamix",
  baseUrl: { env: "MOOVITAMIX_URL", default: "http://127.0.0.1:8000" },
  pageSize: 100,
  streams: [
    { name: "tracks", path: "/tracks", key: ["id"], updatedAt: "updated_at", record: track },
    { name: "users", path: "/users", key: ["id"], updatedAt: "updated_at", record: user },
    {
      name: "listen_history",
      path: "/listen_history",
      key: ["user_id", "created_at"],
      updatedAt: "updated_at",
      record: listen,
    },
  ],
});
