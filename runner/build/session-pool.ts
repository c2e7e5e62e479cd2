import type { Engine, Session } from "../../engines/engine.ts";

/** Sessions that parallel work takes and gives back; opened when first needed. */
export interface SessionPool {
  engine: Engine;
  size: number;
  idle: { session: Session; thread: number }[];
  opened: number;
}

export function createSessionPool(engine: Engine, size: number): SessionPool {
  return { engine, size, idle: [], opened: 0 };
}

/** Runs `work` with a session of its own. The caller keeps to `size` at once. */
export async function withSession<T>(
  pool: SessionPool,
  work: (session: Session, thread: number) => Promise<T>,
): Promise<T> {
  const slot = pool.idle.pop() ?? { thread: ++pool.opened, session: await pool.engine.openSession() };
  try {
    return await work(slot.session, slot.thread);
  } finally {
    pool.idle.push(slot);
  }
}
