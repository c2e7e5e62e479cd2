import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  resolve: {
    alias: {
      sillon: fileURLToPath(new URL("./core/sillon.ts", import.meta.url)),
      "#faults": fileURLToPath(new URL("./core/faults.ts", import.meta.url)),
    },
  },
  test: {
    include: ["tests/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    reporters: ["default", ["json", { outputFile: process.env.TEST_RESULTS ?? "test-results.json" }]],
  },
});
