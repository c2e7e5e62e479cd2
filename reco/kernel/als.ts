import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { SparseRows } from "../candidates/matrix.ts";
import {
  compiledKernel,
  createMemory,
  instantiate,
  paddedWidth,
  padRows,
  sizeOf,
  unpadRows,
} from "./kernel.ts";

export interface KernelTask {
  plays: SparseRows;
  /** The same by tracks. */
  listeners: SparseRows;
  users: Float32Array;
  tracks: Float32Array;
  factors: number;
  iterations: number;
  regularization: number;
  alpha: number;
  /** Threads at most, this one among them. */
  threads?: number;
}

/** As in kernel.as. */
const CHUNKS = 32;
/** Multiplications below which another thread starts too late to be of use. */
const THREAD_WORK = 2e8;
const MOST_THREADS = 8;

/** A thread that comes late, or never, takes no part: the others do its share. */
const HELPER = `const { workerData } = require("node:worker_threads");
const { module, memory, task, scratch } = workerData;
new WebAssembly.Instance(module, { env: { memory } }).exports.work(task, scratch);`;

/**
 * Alternating least squares from the factors that are given, by the kernel and on as many threads as are of use; the
 * same factors for any number of them. Undefined where the kernel cannot run.
 */
export function solveByKernel(task: KernelTask): { users: Float32Array; tracks: Float32Array } | undefined {
  const module = compiledKernel();
  const { plays, listeners, factors, iterations } = task;
  const counts = [plays.offsets.length - 1, listeners.offsets.length - 1] as const;
  const width = paddedWidth(factors);
  const threads = task.threads ?? threadsFor(task, width);
  const parts = partsOf(plays).concat(partsOf(listeners));
  const sizes = [
    17,
    ...parts.map(({ length }) => length),
    ...counts.map((count) => count * width),
    2 * CHUNKS * width * width,
    ...Array.from({ length: threads }, () => width * width + 3 * width),
  ];
  const memory = module && createMemory(sizes.reduce((sum, count) => sum + sizeOf(count), 0));
  if (module === undefined || memory === undefined) return undefined;
  const head = memory.integers(17);
  const places = parts.map((part) => {
    const kept = part instanceof Int32Array ? memory.integers(part.length) : memory.floats(part.length);
    kept.set(part);
    return kept.byteOffset;
  });
  const users = memory.floats(counts[0] * width);
  padRows(task.users, { factors, into: users });
  const tracks = memory.floats(counts[1] * width);
  padRows(task.tracks, { factors, into: tracks });
  const grams = memory.floats(2 * CHUNKS * width * width);
  head.set([0, 0, ...counts, width, iterations]);
  new Float32Array(head.buffer, head.byteOffset).set([task.alpha, task.regularization], 6);
  head.set([...places, users.byteOffset, tracks.byteOffset, grams.byteOffset], 8);
  const scratches = Array.from(
    { length: threads },
    () => memory.floats(width * width + 3 * width).byteOffset,
  );
  for (const scratch of scratches.slice(1))
    startHelper({ module, memory: memory.memory, task: head.byteOffset, scratch });
  instantiate(module, memory.memory).work(head.byteOffset, scratches[0] ?? 0);
  return {
    users: unpadRows(users, { factors, count: counts[0] }),
    tracks: unpadRows(tracks, { factors, count: counts[1] }),
  };
}

function partsOf({ offsets, columns, values }: SparseRows): (Int32Array | Float32Array)[] {
  return [offsets, columns, values];
}

function threadsFor({ plays, iterations }: KernelTask, width: number): number {
  const rows = plays.offsets.length - 1;
  const multiplications = iterations * width * 8 * (rows * width + plays.columns.length * 2);
  if (multiplications < THREAD_WORK) return 1;
  return Math.max(1, Math.min(availableParallelism(), MOST_THREADS));
}

function startHelper(workerData: {
  module: WebAssembly.Module;
  memory: WebAssembly.Memory;
  task: number;
  scratch: number;
}): void {
  const worker = new Worker(HELPER, { eval: true, workerData, execArgv: [], env: {} });
  worker.on("error", () => {});
  worker.unref();
}
