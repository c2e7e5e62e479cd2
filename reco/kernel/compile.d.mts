/** The kernel as WebAssembly. Throws with what the compiler says. */
export function compileKernel(): Promise<Buffer>;
