// `npm run kernel` compiles kernel.as, and writes it into wasm.ts as text: the package needs no compiler then.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { main } from "assemblyscript/asc";

const fileOf = (name) => fileURLToPath(new URL(name, import.meta.url));
const FLAGS = [
  ...["--optimizeLevel", "3", "--shrinkLevel", "0", "--noAssert", "--runtime", "stub", "--use", "abort="],
  ...["--enable", "simd", "--enable", "threads", "--enable", "bulk-memory"],
  ...["--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
];

/** The kernel as WebAssembly. Throws with what the compiler says. */
export async function compileKernel() {
  let compiled;
  const said = [];
  const { error } = await main(["kernel.ts", "--outFile", "kernel.wasm", ...FLAGS], {
    readFile: (name) => (name === "kernel.ts" ? readFileSync(fileOf("kernel.as"), "utf8") : null),
    writeFile: (name, bytes) => {
      if (name === "kernel.wasm") compiled = bytes;
    },
    listFiles: () => [],
    stderr: { write: (text) => void said.push(String(text)) },
    stdout: { write: () => {} },
  });
  if (error !== null || compiled === undefined)
    throw new Error(`kernel.as: ${error?.message}\n${said.join("")}`);
  return Buffer.from(compiled);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const bytes = await compileKernel();
  const text = `/** kernel.as, compiled: \`npm run kernel\` makes it anew. */\nexport const KERNEL_WASM =\n  "${bytes.toString("base64")}";\n`;
  writeFileSync(fileOf("wasm.ts"), text);
  console.log(`kernel: ${bytes.length} bytes`);
}
