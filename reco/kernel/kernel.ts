import { KERNEL_WASM } from "./wasm.ts";

/** As much of WebAssembly as is used here: the libraries of types for Node do without it. */
declare global {
  namespace WebAssembly {
    class Module {
      private readonly isModule;
      constructor(bytes: Uint8Array);
    }
    class Memory {
      readonly buffer: SharedArrayBuffer;
      constructor(limits: { initial: number; maximum: number; shared: boolean });
    }
    class Instance {
      readonly exports: Record<string, unknown>;
      constructor(module: Module, imports: Record<string, Record<string, unknown>>);
    }
  }
}

/** What kernel.as exports; every argument that names a place is an address in the memory. */
export interface Kernel {
  work(task: number, scratch: number): void;
  gram(rows: number, count: number, out: number, bytes: number): void;
  finish(out: number, width: number, regularization: number): void;
  solve(
    columns: number,
    values: number,
    count: number,
    fixed: number,
    solution: number,
    matrix: number,
    scratch: number,
    bytes: number,
    alpha: number,
    steps: number,
  ): void;
  multiply(rows: number, count: number, vector: number, out: number, bytes: number): void;
  above(scores: number, count: number, floor: number, out: number): number;
}

const PAGE_BYTES = 65_536;
const MOST_PAGES = 65_536;
const FIRST_PLACE = 1024;

/** The kernel, ready to be instantiated; undefined where WebAssembly with SIMD and shared memory is not there. */
export function compiledKernel(): WebAssembly.Module | undefined {
  if (!isTried) {
    isTried = true;
    try {
      compiled = new WebAssembly.Module(Buffer.from(KERNEL_WASM, "base64"));
    } catch {
      compiled = undefined;
    }
  }
  return compiled;
}

let isTried = false;
let compiled: WebAssembly.Module | undefined;

export function instantiate(module: WebAssembly.Module, memory: WebAssembly.Memory): Kernel {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  return exports as unknown as Kernel; // as kernel.as declares them
}

/** Shared memory of a size that is known beforehand, given out piece by piece. Undefined when there is not so much of it. */
export function createMemory(bytes: number): KernelMemory | undefined {
  const pages = Math.ceil((bytes + FIRST_PLACE) / PAGE_BYTES);
  if (pages > MOST_PAGES) return undefined;
  try {
    return new KernelMemory(new WebAssembly.Memory({ initial: pages, maximum: MOST_PAGES, shared: true }));
  } catch {
    return undefined;
  }
}

export class KernelMemory {
  private next = FIRST_PLACE;

  constructor(readonly memory: WebAssembly.Memory) {}

  floats(count: number): Float32Array {
    return new Float32Array(this.memory.buffer, this.take(count), count);
  }

  integers(count: number): Int32Array {
    return new Int32Array(this.memory.buffer, this.take(count), count);
  }

  private take(count: number): number {
    const place = this.next;
    this.next += sizeOf(count);
    return place;
  }
}

/** Bytes that so many numbers take in a KernelMemory. */
export function sizeOf(count: number): number {
  return Math.ceil((count * 4) / 64) * 64;
}

/** Numbers of a row of factors in the kernel: those that are missing are zero, and stay so. */
export function paddedWidth(factors: number): number {
  return Math.ceil(factors / 4) * 4;
}

/** Rows with zeros at their end. */
export function padRows(
  rows: Float32Array,
  { factors, into }: { factors: number; into: Float32Array },
): void {
  const width = paddedWidth(factors);
  if (width === factors) into.set(rows);
  for (let from = 0, to = 0; from < rows.length && width > factors; from += factors, to += width)
    into.set(rows.subarray(from, from + factors), to);
}

/** The same rows without them. */
export function unpadRows(
  padded: Float32Array,
  { factors, count }: { factors: number; count: number },
): Float32Array {
  const width = paddedWidth(factors);
  if (width === factors) return padded.slice(0, count * factors);
  const rows = new Float32Array(count * factors);
  for (let row = 0; row < count; row++)
    rows.set(padded.subarray(row * width, row * width + factors), row * factors);
  return rows;
}
