import { hash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";
import { makeFolder, writeDurably } from "../../core/durable.ts";
import { EXIT, ProjectError } from "../../core/errors.ts";
import type { SparseRows } from "../candidates/matrix.ts";
import { MEMBERS, type Model, type Recipe } from "../candidates/model.ts";
import type { Ranked } from "../candidates/top.ts";

/** By what a kept artefact is recognised. */
export interface Seal {
  /** SHA-256, in hexadecimal digits. */
  checksum: string;
  shape: Shape;
  sizeBytes: number;
}

export interface Shape {
  tracks: number;
  factors: number;
  neighbours: number;
}

const FORMAT = "sillon model 1";
const ALIGNMENT = 8;

const recipeSchema = z.object({
  measure: z.enum(["cosine", "bm25"]),
  als: z.object({
    factors: z.number(),
    iterations: z.number(),
    regularization: z.number(),
    alpha: z.number(),
    seed: z.number(),
  }),
  weights: z.record(z.enum(MEMBERS), z.number()),
});
const headerSchema = z.object({
  format: z.literal(FORMAT),
  recipe: recipeSchema,
  cutoff: z.string(),
  trackIds: z.array(z.string()),
  artistOf: z.array(z.string()),
  segments: z.array(z.string()),
  artists: z.array(z.string()),
  /** Users of lists that were given. */
  users: z.array(z.string()).optional(),
  arrays: z.record(z.string(), z.object({ type: z.enum(["i32", "f32"]), length: z.number() })),
});

/** Writes a model into one file, in one step: a line of JSON that says what follows, then its numbers. */
export function writeArtefact(file: string, model: Model): Seal {
  const arrays: Record<string, Int32Array | Float32Array> = {
    ...packedRows("neighbour", model.neighbours),
    factors: model.factors,
    ...packed("segment", model.segments),
    ...packed("artist", model.artists),
    ...(model.given === undefined ? {} : packedRows("given", model.given.rows)),
  };
  const header: z.input<typeof headerSchema> = {
    format: FORMAT,
    recipe: model.recipe,
    cutoff: model.cutoff,
    trackIds: [...model.trackIds],
    artistOf: [...model.artistOf],
    segments: [...model.segments.keys()],
    artists: [...model.artists.keys()],
    ...(model.given === undefined ? {} : { users: [...model.given.userIds] }),
    arrays: Object.fromEntries(
      Object.entries(arrays).map(([name, array]) => [
        name,
        { type: array instanceof Int32Array ? "i32" : "f32", length: array.length },
      ]),
    ),
  };
  const text = Buffer.from(JSON.stringify(header));
  const gap = ALIGNMENT - ((text.length + 1) % ALIGNMENT);
  const bodies = Object.values(arrays).map(({ buffer, byteOffset, byteLength }) =>
    Buffer.from(buffer, byteOffset, byteLength),
  );
  const bytes = Buffer.concat([text, Buffer.alloc(gap, " "), Buffer.from("\n"), ...bodies]);
  makeFolder(dirname(file));
  writeDurably(file, bytes, { mode: 0o600 });
  return { checksum: hash("sha256", bytes, "hex"), shape: shapeOf(model), sizeBytes: bytes.length };
}

export function shapeOf({ trackIds, recipe, factors, neighbours }: Model): Shape {
  return {
    tracks: trackIds.length,
    factors: factors.length === 0 ? 0 : recipe.als.factors,
    neighbours: neighbours.columns.length,
  };
}

/**
 * The model of a file that is as it was written. Throws RECO_ARTEFACT_DAMAGED (exit 4) when it is missing or when
 * checksum, shape or numbers are not what they have to be, before anything of it can serve.
 */
export function readArtefact(file: string, seal: Pick<Seal, "checksum" | "shape">): Model {
  if (!existsSync(file)) throw damaged(file, "the file is missing");
  const bytes = readFileSync(file);
  const found = hash("sha256", bytes, "hex");
  if (found !== seal.checksum)
    throw damaged(
      file,
      `its checksum is ${found.slice(0, 12)}…, the registry says ${seal.checksum.slice(0, 12)}…`,
    );
  const model = parseModel(file, bytes);
  const shape = shapeOf(model);
  if (JSON.stringify(shape) !== JSON.stringify(seal.shape))
    throw damaged(
      file,
      `its shape is ${JSON.stringify(shape)}, the registry says ${JSON.stringify(seal.shape)}`,
    );
  checkModel(file, model);
  return model;
}

/** Throws RECO_ARTEFACT_DAMAGED when a number is none, or names a track that is not there. */
export function checkModel(file: string, model: Model): void {
  const { trackIds, neighbours, factors, recipe, artistOf, segments, artists, given } = model;
  const count = trackIds.length;
  if (count === 0) throw damaged(file, "it knows no tracks");
  if (artistOf.length !== count || neighbours.offsets.length !== count + 1)
    throw damaged(file, "its parts differ in their number of tracks");
  if (factors.length !== 0 && factors.length !== count * recipe.als.factors)
    throw damaged(file, "the factors do not fit the number of tracks");
  const lists = [...segments.values(), ...artists.values()];
  if (given !== undefined && given.rows.offsets.length !== given.userIds.length + 1)
    throw damaged(file, "its lists do not fit the number of users");
  const own = given === undefined ? [] : [given.rows];
  const values = [
    neighbours.values,
    factors,
    ...own.map((rows) => rows.values),
    ...lists.map(({ scores }) => scores),
  ];
  if (values.some((array) => array.some((value) => !Number.isFinite(value))))
    throw damaged(file, "it holds values that are no numbers");
  const tracks = [
    neighbours.columns,
    ...own.map((rows) => rows.columns),
    ...lists.map((list) => list.tracks),
  ];
  if (tracks.some((array) => array.some((track) => track < 0 || track >= count)))
    throw damaged(file, "it names tracks that it does not have");
}

function parseModel(file: string, bytes: Buffer): Model {
  const end = bytes.indexOf("\n");
  let header: z.output<typeof headerSchema>;
  try {
    header = headerSchema.parse(JSON.parse(bytes.subarray(0, end).toString()));
  } catch (error) {
    throw damaged(file, "its head cannot be read", error);
  }
  // Typed arrays want their bytes aligned, which a buffer of a file need not be.
  const body = new Uint8Array(bytes.subarray(end + 1)).buffer;
  const arrays = new Map<string, Int32Array | Float32Array>();
  let place = 0;
  for (const [name, { type, length }] of Object.entries(header.arrays)) {
    if (place + length * 4 > body.byteLength) throw damaged(file, "it ends too early");
    arrays.set(
      name,
      type === "i32" ? new Int32Array(body, place, length) : new Float32Array(body, place, length),
    );
    place += length * 4;
  }
  const integers = (name: string) => Int32Array.from(arrays.get(name) ?? []);
  const numbers = (name: string) => Float32Array.from(arrays.get(name) ?? []);
  const matrix = (name: string): SparseRows => ({
    offsets: integers(`${name}_offsets`),
    columns: integers(`${name}_tracks`),
    values: numbers(`${name}_values`),
  });
  return {
    recipe: header.recipe as Recipe, // its schema says the same
    cutoff: header.cutoff,
    trackIds: header.trackIds,
    artistOf: header.artistOf,
    neighbours: matrix("neighbour"),
    factors: numbers("factors"),
    segments: unpacked(header.segments, matrix("segment")),
    artists: unpacked(header.artists, matrix("artist")),
    ...(header.users === undefined ? {} : { given: { userIds: header.users, rows: matrix("given") } }),
  };
}

function packedRows(name: string, { offsets, columns, values }: SparseRows) {
  return { [`${name}_offsets`]: offsets, [`${name}_tracks`]: columns, [`${name}_values`]: values };
}

function packed(name: string, lists: ReadonlyMap<string, Ranked>): Record<string, Int32Array | Float32Array> {
  const all = [...lists.values()];
  const offsets = Int32Array.from({ length: all.length + 1 }, () => 0);
  for (const [place, { tracks }] of all.entries()) offsets[place + 1] = (offsets[place] ?? 0) + tracks.length;
  return {
    [`${name}_offsets`]: offsets,
    [`${name}_tracks`]: Int32Array.from(all.flatMap(({ tracks }) => [...tracks])),
    [`${name}_values`]: Float32Array.from(all.flatMap(({ scores }) => [...scores])),
  };
}

function unpacked(names: readonly string[], { offsets, columns, values }: SparseRows): Map<string, Ranked> {
  return new Map(
    names.map((name, place) => {
      const range = [offsets[place] ?? 0, offsets[place + 1] ?? 0] as const;
      return [name, { tracks: columns.subarray(...range), scores: values.subarray(...range) }];
    }),
  );
}

function damaged(file: string, why: string, cause?: unknown): ProjectError {
  return new ProjectError("RECO_ARTEFACT_DAMAGED", {
    message: "the model cannot be used",
    where: file,
    why: [why],
    hint: "run reco rollback goes back to the champion before it, run reco train makes another one",
    exitCode: EXIT.environment,
    cause,
  });
}
