// AssemblyScript: alternating least squares by conjugate gradient, and scores of all tracks for one user. Everything is
// float32; a row of factors is `bytes` long, a multiple of 16. Compiled into wasm.ts by compile.mjs.

/** Parts that a pass over all rows is cut into; sums over them are in their order, whoever made which. */
const CHUNKS: i32 = 32;

/** Where the parts of a task are: the fields of `Task` in als.ts, four bytes each. */
@inline function field(task: usize, place: i32): usize { return <usize>load<u32>(task + (<usize>place << 2)); }

/**
 * Takes part in a task until there is nothing left to take. Pass 0 sums up the tracks, then users and tracks are solved
 * by turns. Any number of threads may do so at once; the result is the same for any number. The scratch area is the
 * thread's own: the matrix of sums, then three vectors.
 */
export function work(task: usize, scratch: usize): void {
  const width = <i32>field(task, 4);
  const bytes = <usize>width << 2;
  const square = bytes * <usize>width;
  const end = CHUNKS * (1 + 2 * <i32>field(task, 5));
  const grams = field(task, 16);
  let summed = -1;
  for (;;) {
    const ticket = atomic.add<i32>(task, 1);
    if (ticket >= end) break;
    const pass = ticket / CHUNKS;
    const chunk = ticket % CHUNKS;
    await_done(task + 4, pass * CHUNKS);
    const isUsers = (pass & 1) == 1;
    const count = isUsers ? <i32>field(task, 2) : <i32>field(task, 3);
    const from = <i32>(<i64>count * chunk / CHUNKS);
    const to = <i32>(<i64>count * (chunk + 1) / CHUNKS);
    const target = field(task, isUsers ? 14 : 15);
    if (pass > 0) {
      if (summed != pass) {
        sumGrams(grams + <usize>((pass - 1) & 1) * CHUNKS * square, scratch, width, load<f32>(task + 28));
        summed = pass;
      }
      const part = isUsers ? 8 : 11;
      const offsets = field(task, part);
      for (let row = from; row < to; row++) {
        const first = load<i32>(offsets + (<usize>row << 2));
        const last = load<i32>(offsets + (<usize>row << 2), 4);
        const solution = target + <usize>row * bytes;
        if (first == last) memory.fill(solution, 0, bytes);
        else solve(
          field(task, part + 1) + (<usize>first << 2), field(task, part + 2) + (<usize>first << 2), last - first,
          field(task, isUsers ? 15 : 14), solution, scratch, scratch + square, bytes, load<f32>(task + 24), 3);
      }
    }
    gram(target + <usize>from * bytes, to - from, grams + <usize>((pass & 1) * CHUNKS + chunk) * square, bytes);
    atomic.add<i32>(task + 4, 1);
    atomic.notify(task + 4, -1);
  }
  await_done(task + 4, end);
}

function await_done(done: usize, wanted: i32): void {
  for (;;) {
    const now = atomic.load<i32>(done);
    if (now >= wanted) return;
    atomic.wait<i32>(done, now, -1);
  }
}

/** The upper half of the rows' transpose times themselves. */
export function gram(rows: usize, count: i32, out: usize, bytes: usize): void {
  const width = bytes >> 2;
  memory.fill(out, 0, bytes * width);
  let row = 0;
  for (; row + 4 <= count; row += 4) {
    const a = rows + <usize>row * bytes, b = a + bytes, c = b + bytes, d = c + bytes;
    for (let i: usize = 0; i < bytes; i += 4) {
      const va = v128.load_splat<f32>(a + i), vb = v128.load_splat<f32>(b + i);
      const vc = v128.load_splat<f32>(c + i), vd = v128.load_splat<f32>(d + i);
      const line = out + i * width;
      for (let j = i & ~15; j < bytes; j += 16) {
        const ab = f32x4.add(f32x4.mul(va, v128.load(a + j)), f32x4.mul(vb, v128.load(b + j)));
        const cd = f32x4.add(f32x4.mul(vc, v128.load(c + j)), f32x4.mul(vd, v128.load(d + j)));
        v128.store(line + j, f32x4.add(v128.load(line + j), f32x4.add(ab, cd)));
      }
    }
  }
  for (; row < count; row++) {
    const a = rows + <usize>row * bytes;
    for (let i: usize = 0; i < bytes; i += 4)
      axpy(out + i * width + (i & ~15), v128.load_splat<f32>(a + i), a + (i & ~15), bytes - (i & ~15));
  }
}

/** Adds up the sums of all chunks, mirrors them, and adds the regularization to the diagonal. */
function sumGrams(parts: usize, out: usize, width: i32, regularization: f32): void {
  const square = <usize>(width * width) << 2;
  memory.copy(out, parts, square);
  for (let chunk = 1; chunk < CHUNKS; chunk++) axpy(out, f32x4.splat(1), parts + <usize>chunk * square, square);
  finish(out, width, regularization);
}

export function finish(out: usize, width: i32, regularization: f32): void {
  for (let row = 0; row < width; row++) {
    const own = out + (<usize>(row * width + row) << 2);
    store<f32>(own, load<f32>(own) + regularization);
    for (let column = 0; column < row; column++)
      store<f32>(out + (<usize>(row * width + column) << 2), load<f32>(out + (<usize>(column * width + row) << 2)));
  }
}

/** One row by conjugate gradient, from the solution that is there. A value below zero is a dislike of that weight. The scratch area has three vectors. */
export function solve(
  columns: usize, values: usize, count: i32, fixed: usize, x: usize, matrix: usize, scratch: usize,
  bytes: usize, alpha: f32, steps: i32,
): void {
  const r = scratch, p = r + bytes, image = p + bytes;
  const rows = <i32>(bytes >> 2);
  multiply(matrix, rows, x, r, bytes);
  for (let i: usize = 0; i < bytes; i += 16) v128.store(r + i, f32x4.neg(v128.load(r + i)));
  for (let entry: usize = 0; entry < <usize>count << 2; entry += 4) {
    const y = fixed + <usize>load<i32>(columns + entry) * bytes;
    const confidence = alpha * load<f32>(values + entry);
    axpy(r, f32x4.splat(max(confidence, 0) - (abs(confidence) - 1) * dot(y, x, bytes)), y, bytes);
  }
  memory.copy(p, r, bytes);
  let former = dot(r, r, bytes);
  for (let step = 0; step < steps && former >= 1e-20; step++) {
    multiply(matrix, rows, p, image, bytes);
    for (let entry: usize = 0; entry < <usize>count << 2; entry += 4) {
      const y = fixed + <usize>load<i32>(columns + entry) * bytes;
      const confidence = alpha * load<f32>(values + entry);
      axpy(image, f32x4.splat((abs(confidence) - 1) * dot(y, p, bytes)), y, bytes);
    }
    const length = former / dot(p, image, bytes);
    axpy(x, f32x4.splat(length), p, bytes);
    axpy(r, f32x4.splat(-length), image, bytes);
    const next = dot(r, r, bytes);
    const share = f32x4.splat(next / former);
    for (let i: usize = 0; i < bytes; i += 16)
      v128.store(p + i, f32x4.add(v128.load(r + i), f32x4.mul(share, v128.load(p + i))));
    former = next;
  }
}

/** Rows times a vector; the number of rows is a multiple of four. */
export function multiply(rows: usize, count: i32, vector: usize, out: usize, bytes: usize): void {
  for (let row = 0; row < count; row += 4) {
    const r0 = rows + <usize>row * bytes, r1 = r0 + bytes, r2 = r1 + bytes, r3 = r2 + bytes;
    let a = f32x4.splat(0), b = a, c = a, d = a;
    for (let i: usize = 0; i < bytes; i += 16) {
      const v = v128.load(vector + i);
      a = f32x4.add(a, f32x4.mul(v, v128.load(r0 + i)));
      b = f32x4.add(b, f32x4.mul(v, v128.load(r1 + i)));
      c = f32x4.add(c, f32x4.mul(v, v128.load(r2 + i)));
      d = f32x4.add(d, f32x4.mul(v, v128.load(r3 + i)));
    }
    const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
    const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
    const sums = f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
    v128.store(out + (<usize>row << 2), sums);
  }
}

@inline function dot(left: usize, right: usize, bytes: usize): f32 {
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let i: usize = 0;
  for (; i + 64 <= bytes; i += 64) {
    a = f32x4.add(a, f32x4.mul(v128.load(left + i), v128.load(right + i)));
    b = f32x4.add(b, f32x4.mul(v128.load(left + i, 16), v128.load(right + i, 16)));
    c = f32x4.add(c, f32x4.mul(v128.load(left + i, 32), v128.load(right + i, 32)));
    d = f32x4.add(d, f32x4.mul(v128.load(left + i, 48), v128.load(right + i, 48)));
  }
  for (; i < bytes; i += 16) a = f32x4.add(a, f32x4.mul(v128.load(left + i), v128.load(right + i)));
  const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  return f32x4.extract_lane(sum, 0) + f32x4.extract_lane(sum, 1) + (f32x4.extract_lane(sum, 2) + f32x4.extract_lane(sum, 3));
}

@inline function axpy(out: usize, factor: v128, vector: usize, bytes: usize): void {
  for (let i: usize = 0; i < bytes; i += 16)
    v128.store(out + i, f32x4.add(v128.load(out + i), f32x4.mul(factor, v128.load(vector + i))));
}

/** Places of scores that are above a floor, in their order; the number of scores is a multiple of four. */
export function above(scores: usize, count: i32, floor: f32, out: usize): i32 {
  const least = f32x4.splat(floor);
  let found = 0;
  for (let place = 0; place < count; place += 4) {
    let mask = i32x4.bitmask(f32x4.gt(v128.load(scores + (<usize>place << 2)), least));
    while (mask != 0) {
      store<i32>(out + (<usize>found << 2), place + ctz(mask));
      found++;
      mask &= mask - 1;
    }
  }
  return found;
}
