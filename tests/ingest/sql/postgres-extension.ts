import { mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { version } from "@duckdb/node-api";

/** The file of DuckDB's extension for PostgreSQL, of the engine's own version. */
const file = process.env.DUCKDB_POSTGRES_EXTENSION;

export const EXTENSION_MISSING = "DUCKDB_POSTGRES_EXTENSION does not name DuckDB's extension";

/** A folder in which DuckDB finds the extension as if it were installed; undefined where there is none. */
export function extensionFolder(): string | undefined {
  if (file === undefined) return undefined;
  const folder = mkdtempSync(join(tmpdir(), "sillon-extension-"));
  const machine = process.arch === "arm64" ? "arm64" : "amd64";
  const system = process.platform === "darwin" ? "osx" : "linux";
  const place = join(folder, version(), `${system}_${machine}`);
  mkdirSync(place, { recursive: true });
  symlinkSync(resolve(file), join(place, "postgres_scanner.duckdb_extension"));
  return folder;
}
