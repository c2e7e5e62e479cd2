import type { Damage } from "../faults.ts";
import type { Random } from "../world/random.ts";
import type { StreamName } from "../world/records.ts";
import { DAMAGES } from "./kinds.ts";

const KEYS: Record<StreamName, string> = { tracks: "id", users: "id", listen_history: "user_id" };
/** In each stream a field that a reader needs, with a value of a wrong type and a new name for it. */
const VICTIMS: Record<StreamName, { field: string; wrong: unknown; renamed: string }> = {
  tracks: { field: "name", wrong: 7, renamed: "title" },
  users: { field: "email", wrong: 7, renamed: "mail" },
  listen_history: { field: "items", wrong: "none", renamed: "tracks" },
};

/** The items with one of them damaged; a page without items stays as it is. */
export function damageItems(
  items: readonly unknown[],
  options: { stream: StreamName; record?: number | undefined; damage?: Damage | undefined; random: Random },
): unknown[] {
  const { random, stream } = options;
  const damage = options.damage ?? random.pick(DAMAGES);
  const place = options.record ?? random.integer(0, items.length - 1);
  return items.map((item, index) =>
    index === place ? damageRecord({ ...Object(item) }, stream, damage) : item,
  );
}

/** The same records as if they were others: a lap is a round past the end. */
export function renumberItems(items: readonly unknown[], stream: StreamName, lap: number): unknown[] {
  const key = KEYS[stream];
  return items.map((item) => {
    const record: Record<string, unknown> = { ...Object(item) };
    return { ...record, [key]: Number(record[key]) + lap * 1_000_000 };
  });
}

function damageRecord(record: Record<string, unknown>, stream: StreamName, damage: Damage): unknown {
  const { field, wrong, renamed } = VICTIMS[stream];
  const { [field]: value, ...rest } = record;
  switch (damage) {
    case "type":
      return { ...record, [field]: wrong };
    case "missing":
      return rest;
    case "null-key":
      return { ...record, [KEYS[stream]]: null };
    case "scalar":
      return 42;
    case "extra":
      return { ...record, rating: 5 };
    case "renamed":
      return { ...rest, [renamed]: value };
  }
}
