import { randomBytes } from "node:crypto";
import { existsSync, rmSync, writeFileSync } from "node:fs";

/** Enough for the end of a run and what it says of its nodes. */
const RESERVE_BYTES = 1_048_576;

/** Keeps some space beside the store, to be given up when the disk is full. Without the space there is no reserve. */
export function keepReserve(store: string): void {
  const file = reserveOf(store);
  if (existsSync(file)) return;
  try {
    writeFileSync(file, randomBytes(RESERVE_BYTES), { flag: "wx" });
  } catch {
    rmSync(file, { force: true });
  }
}

/** Does a write of the store; when the disk is full, once more in the space of the reserve. */
export async function withReserve<T>(store: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    if (!isFull(error) || !existsSync(reserveOf(store))) throw error;
    rmSync(reserveOf(store), { force: true });
    return await write();
  }
}

function reserveOf(store: string): string {
  return `${store}.reserve`;
}

function isFull(error: unknown): boolean {
  return error instanceof Error && "code" in error && /^SQLITE_(FULL|IOERR)/.test(String(error.code));
}
