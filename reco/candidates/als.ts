import { solveByKernel } from "../kernel/als.ts";
import { at, rowRange, rowSize, type SparseRows, transposed } from "./matrix.ts";
import { createRandom } from "./random.ts";

export interface AlsOptions {
  factors: number;
  iterations: number;
  regularization: number;
  /** By which a play counts more than its absence. */
  alpha: number;
  seed: number;
}

/** Row by row, `factors` numbers each. */
export interface Factors {
  factors: number;
  users: Float32Array;
  tracks: Float32Array;
}

const CG_STEPS = 3;
/** From zero instead of from the former factors it takes more steps to the same end. */
const FOLD_STEPS = 8;
const CONVERGED = 1e-20;

export interface AlsMeans {
  /** Plain JavaScript, also where there is WebAssembly. */
  isPlain?: boolean;
  /** At most; as many as are of use when left out. */
  threads?: number;
}

/**
 * Factors of users and tracks by alternating least squares on implicit feedback (Hu, Koren and Volinsky), each row
 * solved by three steps of conjugate gradient, as the Python library implicit does; as there a value below zero is a
 * dislike of that weight. Equal seeds give equal factors, on any number of threads; plain JavaScript, where there is no
 * WebAssembly, gives the same within float tolerance.
 */
export function fitAls(
  plays: SparseRows,
  trackCount: number,
  options: AlsOptions,
  { isPlain = false, threads }: AlsMeans = {},
): Factors {
  const { factors, iterations, seed } = options;
  const random = createRandom(seed);
  const userCount = plays.offsets.length - 1;
  const users = Float32Array.from({ length: userCount * factors }, () => random() * 0.01);
  const tracks = Float32Array.from({ length: trackCount * factors }, () => random() * 0.01);
  const listeners = transposed(plays, trackCount);
  const solved = isPlain
    ? undefined
    : solveByKernel({ plays, listeners, users, tracks, ...options, ...(threads && { threads }) });
  if (solved !== undefined) return { factors, ...solved };
  for (let iteration = 0; iteration < iterations; iteration++) {
    solveRows(plays, { target: users, fixed: tracks }, options);
    solveRows(listeners, { target: tracks, fixed: users }, options);
  }
  return { factors, users, tracks };
}

/** The factors of one user from the tracks that the user played, over factors of tracks that stay as they are. */
export function createFolding(
  tracks: Float32Array,
  options: Pick<AlsOptions, "factors" | "regularization" | "alpha">,
): (plays: SparseRows, row: number) => Float32Array {
  const { factors } = options;
  const gram = gramian(tracks, options);
  const workspace = createWorkspace(factors);
  return (plays, row) => {
    const solution = new Float32Array(factors);
    solveRow(plays, {
      row,
      solution,
      fixed: tracks,
      gram,
      workspace,
      alpha: options.alpha,
      steps: FOLD_STEPS,
    });
    return solution;
  };
}

function solveRows(
  matrix: SparseRows,
  { target, fixed }: { target: Float32Array; fixed: Float32Array },
  options: AlsOptions,
): void {
  const { factors, alpha } = options;
  const gram = gramian(fixed, options);
  const workspace = createWorkspace(factors);
  for (let row = 0; row + 1 < matrix.offsets.length; row++) {
    const solution = target.subarray(row * factors, (row + 1) * factors);
    if (rowSize(matrix, row) === 0) solution.fill(0);
    else solveRow(matrix, { row, solution, fixed, gram, workspace, alpha, steps: CG_STEPS });
  }
}

/** The matrix times its transpose, with the regularisation on its diagonal. */
function gramian(
  fixed: Float32Array,
  { factors, regularization }: Pick<AlsOptions, "factors" | "regularization">,
): Float64Array {
  const gram = new Float64Array(factors * factors);
  for (let start = 0; start < fixed.length; start += factors) {
    for (let row = 0; row < factors; row++) {
      const value = fixed[start + row] ?? 0;
      for (let column = row; column < factors; column++) {
        const place = row * factors + column;
        gram[place] = (gram[place] ?? 0) + value * (fixed[start + column] ?? 0);
      }
    }
  }
  for (let row = 0; row < factors; row++) {
    gram[row * factors + row] = (gram[row * factors + row] ?? 0) + regularization;
    for (let column = 0; column < row; column++)
      gram[row * factors + column] = gram[column * factors + row] ?? 0;
  }
  return gram;
}

interface Workspace {
  current: Float64Array;
  residual: Float64Array;
  direction: Float64Array;
  image: Float64Array;
}

function createWorkspace(factors: number): Workspace {
  return {
    current: new Float64Array(factors),
    residual: new Float64Array(factors),
    direction: new Float64Array(factors),
    image: new Float64Array(factors),
  };
}

interface Row {
  row: number;
  solution: Float32Array;
  fixed: Float32Array;
  gram: Float64Array;
  workspace: Workspace;
  alpha: number;
  steps: number;
}

function solveRow(matrix: SparseRows, task: Row): void {
  const { solution, workspace, steps } = task;
  const { current, residual, direction, image } = workspace;
  current.set(solution);
  applyRow(matrix, task, { vector: current, result: residual, isResidual: true });
  direction.set(residual);
  let former = dot(residual, residual);
  for (let step = 0; step < steps && former >= CONVERGED; step++) {
    applyRow(matrix, task, { vector: direction, result: image, isResidual: false });
    const length = former / dot(direction, image);
    for (let place = 0; place < solution.length; place++) {
      current[place] = (current[place] ?? 0) + length * (direction[place] ?? 0);
      residual[place] = (residual[place] ?? 0) - length * (image[place] ?? 0);
    }
    const next = dot(residual, residual);
    for (let place = 0; place < direction.length; place++)
      direction[place] = (residual[place] ?? 0) + (next / former) * (direction[place] ?? 0);
    former = next;
  }
  solution.set(current);
}

/** The row's system times a vector, or what the vector leaves of its right side. */
function applyRow(
  matrix: SparseRows,
  { row, fixed, gram, alpha }: Row,
  { vector, result, isResidual }: { vector: Float64Array; result: Float64Array; isResidual: boolean },
): void {
  const factors = result.length;
  const sign = isResidual ? -1 : 1;
  for (let place = 0; place < factors; place++) {
    let sum = 0;
    const start = place * factors;
    for (let column = 0; column < factors; column++)
      sum += (gram[start + column] ?? 0) * (vector[column] ?? 0);
    result[place] = sign * sum;
  }
  const [from, to] = rowRange(matrix, row);
  for (let entry = from; entry < to; entry++) {
    const start = at(matrix.columns, entry) * factors;
    const confidence = alpha * at(matrix.values, entry);
    let sum = 0;
    for (let place = 0; place < factors; place++) sum += (fixed[start + place] ?? 0) * (vector[place] ?? 0);
    const pull = (Math.abs(confidence) - 1) * sum;
    const weight = isResidual ? Math.max(0, confidence) - pull : pull;
    for (let place = 0; place < factors; place++)
      result[place] = (result[place] ?? 0) + weight * (fixed[start + place] ?? 0);
  }
}

function dot(left: Float64Array, right: Float64Array): number {
  let sum = 0;
  for (let place = 0; place < left.length; place++) sum += (left[place] ?? 0) * (right[place] ?? 0);
  return sum;
}
