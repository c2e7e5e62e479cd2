import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { EXIT, messageOf, ProjectError } from "../../core/errors.ts";
import type { Exchange } from "./tape.ts";

const MANIFEST = "recording.json";
const VERSION = 1;

const manifestSchema = z.object({
  version: z.literal(VERSION),
  recorded_at: z.string(),
  /** By name. */
  sources: z.record(z.string(), z.object({ variable: z.string().nullable(), base_url: z.string() })),
});
export type Manifest = z.output<typeof manifestSchema>;

const exchangeSchema = z.object({
  request: z.object({
    method: z.string(),
    url: z.string(),
    headers: z.record(z.string(), z.string()),
    body: z.string().nullable(),
  }),
  answer: z
    .object({
      status: z.number().int(),
      headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])),
      /** The file that holds it, beside this one. */
      body: z.string().regex(/^\d+\.body$/),
    })
    .nullable(),
  failure: z.object({ code: z.string(), message: z.string() }).nullable(),
});

/** A recording belongs to whoever made it. */
const OWN_FILE = { mode: 0o600 };
const OWN_FOLDER = { recursive: true, mode: 0o700 };

/** Makes the folder of a recording. Throws RECORDING_EXISTS (exit 2) when something is in it. */
export function createRecording(folder: string): void {
  if (existsSync(folder) && readdirSync(folder).length > 0) {
    const isRecording = existsSync(join(folder, MANIFEST));
    throw new ProjectError("RECORDING_EXISTS", {
      message: isRecording ? "holds a recording already" : "is not empty",
      where: folder,
      hint: "name a folder that is not there yet, or remove this one",
      exitCode: EXIT.usage,
    });
  }
  mkdirSync(folder, OWN_FOLDER);
}

export function newManifest(at: Date): Manifest {
  return { version: VERSION, recorded_at: at.toISOString(), sources: {} };
}

export function writeManifest(folder: string, manifest: Manifest): void {
  writeFileSync(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`, OWN_FILE);
}

/** Two files: the request with what was answered, and the answer's body. */
export function writeExchange(
  folder: string,
  { source, number, exchange }: { source: string; number: number; exchange: Exchange },
): void {
  const name = String(number).padStart(6, "0");
  mkdirSync(join(folder, source), OWN_FOLDER);
  const { request, answer, failure } = exchange;
  const kept = { request, answer: answer && { ...answer, body: `${name}.body` }, failure };
  if (answer !== null) writeFileSync(join(folder, source, `${name}.body`), answer.body, OWN_FILE);
  writeFileSync(join(folder, source, `${name}.json`), `${JSON.stringify(kept, undefined, 2)}\n`, OWN_FILE);
}

/** Throws RECORDING_MISSING and RECORDING_DAMAGED (exit 2). */
export function readManifest(folder: string): Manifest {
  if (!existsSync(join(folder, MANIFEST))) {
    throw new ProjectError("RECORDING_MISSING", {
      message: existsSync(folder) ? `holds no recording: there is no ${MANIFEST}` : "there is no such folder",
      where: folder,
      hint: `make one while the service can be reached: run ingest --record ${folder}`,
      exitCode: EXIT.usage,
    });
  }
  return read(join(folder, MANIFEST), manifestSchema);
}

/** In the order of the requests. Bodies are read when they are asked for. Throws RECORDING_DAMAGED (exit 2). */
export function readExchanges(folder: string, source: string): Recorded[] {
  const place = join(folder, source);
  if (!existsSync(place)) return [];
  const files = readdirSync(place).filter((file) => /^\d+\.json$/.test(file));
  return files
    .sort((one, other) => Number.parseInt(one, 10) - Number.parseInt(other, 10))
    .map((file) => {
      const { request, answer, failure } = read(join(place, file), exchangeSchema);
      const body = () => readFileSync(join(place, answer?.body ?? ""));
      return { request, failure, answer: answer && { ...answer, body } };
    });
}

/** An exchange whose body is read when it is needed. */
export interface Recorded extends Omit<Exchange, "answer"> {
  answer: (Omit<NonNullable<Exchange["answer"]>, "body"> & { body(): Buffer }) | null;
}

function read<T>(file: string, schema: z.ZodType<T>): T {
  try {
    return schema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error).split("\n") : [messageOf(error)];
    throw new ProjectError("RECORDING_DAMAGED", {
      message: "is not a file of a recording",
      where: file,
      why,
      hint: "take the recording from where it is whole, or record again: run ingest --record FOLDER",
      exitCode: EXIT.usage,
      cause: error,
    });
  }
}
