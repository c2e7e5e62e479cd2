import { existsSync } from "node:fs";
import { openFeedback, readErasures } from "./open.ts";

/** What inference has to keep to. */
export interface Wishes {
  /** Tracks whose last word of the user is a dislike. */
  dislikedBy(user: string): ReadonlySet<string>;
  isErased(user: string): boolean;
}

/** What listeners said, as of now; nothing where no feedback was ever stored. Throws FEEDBACK_UNREADABLE (exit 4). */
export function readOpinions(file: string): Wishes {
  if (!existsSync(file)) return { dislikedBy: () => NONE, isErased: () => false };
  const store = openFeedback(file);
  try {
    const { hashes, hashOf } = readErasures(store);
    const rows = store
      .prepare("select user_id, track_id, kind from feedback where kind in ('like', 'dislike') order by seq")
      .all() as { user_id: string; track_id: string; kind: string }[]; // its own table
    const disliked = new Map<string, Set<string>>();
    for (const { user_id, track_id, kind } of rows) {
      const own = disliked.get(user_id) ?? new Set();
      disliked.set(user_id, own);
      if (kind === "dislike") own.add(track_id);
      else own.delete(track_id);
    }
    return {
      dislikedBy: (user) => disliked.get(user) ?? NONE,
      isErased: (user) => hashes.size > 0 && hashes.has(hashOf(user)),
    };
  } finally {
    store.close();
  }
}

const NONE: ReadonlySet<string> = new Set();
