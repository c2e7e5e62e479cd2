import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { alignModel } from "../../reco/candidates/align.ts";
import { sparseRows } from "../../reco/candidates/matrix.ts";
import type { Model } from "../../reco/candidates/model.ts";
import { readArtefact, writeArtefact } from "../../reco/registry/artefact.ts";
import { createStore, currentStore, makeCurrent, openStore, writeMeta } from "../../reco/serve/store.ts";
import { temporaryFolder } from "../e2e/cli.ts";

function createModel(factors = Float32Array.of(1, 2, 3, 4, 5, 6)): Model {
  const list = { tracks: Int32Array.of(2, 0), scores: Float32Array.of(2, 1) };
  return {
    recipe: {
      measure: "bm25",
      als: { factors: 2, iterations: 1, regularization: 0.1, alpha: 1, seed: 1 },
      weights: { popular: 1, segment: 1, artists: 0, neighbours: 1, factors: 1 },
    },
    cutoff: "2026-10-31 00:00:00",
    trackIds: ["10", "11", "12"],
    neighbours: sparseRows(3, { rows: [0, 0, 2], columns: [0, 2, 2], values: [1, 0.5, 1] }),
    factors,
    segments: new Map([["all", list]]),
    artists: new Map([["Ana", list]]),
    artistOf: ["Ana", "Ben", "Ana"],
  };
}

describe("an artefact", () => {
  test("is read as it was written", () => {
    const file = join(temporaryFolder(), "v1", "model.bin");
    const model = createModel();
    expect(readArtefact(file, writeArtefact(file, model))).toEqual(model);
  });

  test("is refused with a bit changed, cut short, missing, of another shape or with a NaN", () => {
    const file = join(temporaryFolder(), "model.bin");
    const seal = writeArtefact(file, createModel());
    const whole = readFileSync(file);
    const whyOf = (given: Partial<typeof seal> = {}) => {
      try {
        readArtefact(file, { ...seal, ...given });
      } catch (error) {
        return error;
      }
    };
    const refused = (why: RegExp) => ({
      code: "RECO_ARTEFACT_DAMAGED",
      message: "the model cannot be used",
      hint: expect.stringContaining("run reco rollback"),
      exitCode: 4,
      why: [expect.stringMatching(why)],
    });
    expect(whyOf({ shape: { ...seal.shape, tracks: 4 } })).toMatchObject(refused(/its shape is/));
    const bent = Buffer.from(whole);
    bent[bent.length - 3] = (bent[bent.length - 3] ?? 0) ^ 1;
    writeFileSync(file, bent);
    expect(whyOf()).toMatchObject(refused(/its checksum is/));
    writeFileSync(file, whole.subarray(0, whole.length - 8));
    expect(whyOf()).toMatchObject(refused(/its checksum is/));
    const other = join(file, "..", "none.bin");
    expect(() => readArtefact(other, seal)).toThrow("the model cannot be used");
    const sick = writeArtefact(file, createModel(Float32Array.of(1, 2, Number.NaN, 4, 5, 6)));
    expect(whyOf(sick)).toMatchObject(refused(/values that are no numbers/));
  });
});

test("a model over another catalogue keeps what it knows of the tracks that are left", () => {
  const ids = ["09", "10", "12"];
  const places = new Map(ids.map((id, place) => [id, place]));
  const aligned = alignModel(createModel(), { ids, artists: ["Cy", "Ana", "Ana"], places });
  expect([...aligned.factors]).toEqual([0, 0, 1, 2, 5, 6]);
  expect([...aligned.neighbours.columns]).toEqual([1, 2, 2]);
  expect([...(aligned.segments.get("all")?.tracks ?? [])]).toEqual([2, 1]);
});

test("a store becomes current in one step, the last ones stay, and a damaged one is refused", () => {
  const folder = temporaryFolder();
  expect(currentStore(folder)).toBeUndefined();
  const meta = {
    format: 1,
    inference_id: "a",
    model_version: 1,
    basis: "b",
    cutoff: "2026-10-31 00:00:00",
    created_at: "2026-10-31T00:00:00Z",
    expires_at: "2026-11-02T00:00:00Z",
    users: 0,
  } as const;
  const [a = "", b = "", c = ""] = ["a", "b", "c"].map((name) => {
    const store = createStore(folder, name);
    writeMeta(store, meta);
    store.close();
    return join(folder, makeCurrent(folder, { name, version: 1, keep: 2 }));
  });
  const current = currentStore(folder);
  expect(current).toEqual({ file: c, modelVersion: 1 });
  const { store, meta: read } = openStore(b);
  store.close();
  expect(read).toEqual(meta);
  writeFileSync(c, "no database");
  expect(() => openStore(c)).toThrow(
    expect.objectContaining({
      code: "RECO_STORE_DAMAGED",
      message: "the prepared lists cannot be read",
      hint: "make them again: run reco infer --full",
    }),
  );
  expect(() => openStore(a)).toThrow("the prepared lists cannot be read");
});
