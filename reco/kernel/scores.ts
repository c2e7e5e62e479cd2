import type { AlsOptions } from "../candidates/als.ts";
import { compiledKernel, createMemory, instantiate, paddedWidth, padRows, sizeOf } from "./kernel.ts";

/** Folds a user in from tracks and plays, and then names the tracks that are liked above a floor. */
export interface Scoring {
  /** Scores of all tracks, valid until the next call. */
  score(tracks: Int32Array, plays: Float32Array): Float32Array;
  /** Of the tracks from one place to before another those whose score is above the floor, valid until the next call. */
  above(from: number, to: number, floor: number): Int32Array;
}

/** Tracks of a block that `above` may be asked for; a multiple of four. */
export const BLOCK = 512;
/** From zero it takes more steps than from former factors. */
const FOLD_STEPS = 8;

/** Undefined where the kernel cannot run. */
export function createKernelScoring(
  tracks: Float32Array,
  { factors, regularization, alpha }: Pick<AlsOptions, "factors" | "regularization" | "alpha">,
): Scoring | undefined {
  const width = paddedWidth(factors);
  const count = Math.ceil(tracks.length / factors / 4) * 4;
  const sizes = [count * width, width * width, width, 3 * width, count, BLOCK, count, count];
  const module = compiledKernel();
  const memory = module && createMemory(sizes.reduce((sum, size) => sum + sizeOf(size), 0));
  if (module === undefined || memory === undefined) return undefined;
  const kernel = instantiate(module, memory.memory);
  const bytes = width * 4;
  const fixed = memory.floats(count * width);
  padRows(tracks, { factors, into: fixed });
  const gram = memory.floats(width * width).byteOffset;
  kernel.gram(fixed.byteOffset, count, gram, bytes);
  kernel.finish(gram, width, regularization);
  const user = memory.floats(width);
  const scratch = memory.floats(3 * width).byteOffset;
  const scores = memory.floats(count);
  const found = memory.integers(BLOCK);
  const columns = memory.integers(count);
  const values = memory.floats(count);
  return {
    score(known, plays) {
      columns.set(known);
      values.set(plays);
      user.fill(0);
      const steps = FOLD_STEPS;
      const entries = [columns.byteOffset, values.byteOffset, known.length, fixed.byteOffset] as const;
      kernel.solve(...entries, user.byteOffset, gram, scratch, bytes, alpha, steps);
      kernel.multiply(fixed.byteOffset, count, user.byteOffset, scores.byteOffset, bytes);
      return scores;
    },
    above(from, to, floor) {
      const size = kernel.above(scores.byteOffset + from * 4, to - from, floor, found.byteOffset);
      return found.subarray(0, size);
    },
  };
}
