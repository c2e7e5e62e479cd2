import { existsSync } from "node:fs";
import { openFeedback, readErasures } from "./open.ts";

/** Tells who asked to be forgotten, as of now. Throws FEEDBACK_UNREADABLE (exit 4). */
export function readErased(file: string): (user: string) => boolean {
  if (!existsSync(file)) return () => false;
  const store = openFeedback(file);
  try {
    const { hashes, hashOf } = readErasures(store);
    return (user) => hashes.size > 0 && hashes.has(hashOf(user));
  } finally {
    store.close();
  }
}
