import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const SCRIPT = `
import json, resource, sys, time
import numpy as np, scipy.sparse as sparse
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender, CosineRecommender
folder, tracks, kind, parameters = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
offsets, columns = [np.fromfile(f"{folder}/{name}", dtype=np.int32) for name in ("offsets", "columns")]
values = np.fromfile(f"{folder}/values", dtype=np.float32)
plays = sparse.csr_matrix((values, columns, offsets), shape=(len(offsets) - 1, tracks))
if kind == "als":
    model = AlternatingLeastSquares(factors=parameters["factors"], iterations=parameters["iterations"], regularization=parameters["regularization"], alpha=parameters["alpha"], random_state=parameters["seed"])
else:
    model = {"cosine": CosineRecommender, "bm25": BM25Recommender}[kind](K=parameters["neighbours"])
    plays = plays.astype(np.float64)
def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
before, started = cpu(), time.perf_counter()
model.fit(plays, show_progress=False)
fit = {"cpuSeconds": cpu() - before, "wallSeconds": time.perf_counter() - started}
ids, _ = model.recommend(np.arange(plays.shape[0]), plays, N=10, filter_already_liked_items=True)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
json.dump({"fit": fit, "peakMb": peak, "lists": ids.tolist()}, open(f"{folder}/theirs.json", "w"))
`;

export interface Fitted {
  fit: { cpuSeconds: number; wallSeconds: number };
  peakMb: number;
  lists: number[][];
}

/** Installs implicit into a folder that is kept for the next time; undefined where that cannot be done. */
export function installImplicit(folder: string): string | undefined {
  const python = join(folder, "venv", "bin", "python");
  const packages = ["implicit==0.7.3", "numpy", "scipy"];
  const isReady =
    existsSync(python) ||
    (succeeds("python3", ["-m", "venv", join(folder, "venv")]) &&
      succeeds(python, ["-m", "pip", "install", "-q", ...packages]));
  return isReady ? python : undefined;
}

/** MovieLens 100K out of the wheel of recbole: its licence lets nobody pass it on. Undefined where there is no wheel. */
export function fetchMovieLens(folder: string, python: string): string[] | undefined {
  const wheel = () => readdirSync(folder).find((name) => /^recbole-.*\.whl$/.test(name));
  if (wheel() === undefined)
    succeeds(python, ["-m", "pip", "download", "-q", "--no-deps", "-d", folder, "recbole==1.2.1"]);
  const file = wheel();
  if (file === undefined) return undefined;
  const { status, stdout } = spawnSync(
    "unzip",
    ["-p", join(folder, file), "recbole/dataset_example/ml-100k/ml-100k.inter"],
    { encoding: "utf8", maxBuffer: 1e8 },
  );
  return status === 0 ? stdout.trim().split("\n").slice(1) : undefined;
}

/** Fits a model of implicit on the matrix of a folder. Throws when it fails. */
export function fitImplicit(python: string, { folder, trackCount, kind, parameters }: ImplicitTask): Fitted {
  const script = join(folder, "peer.py");
  writeFileSync(script, SCRIPT);
  const { status, stderr } = spawnSync(
    python,
    [script, folder, String(trackCount), kind, JSON.stringify(parameters)],
    { env: { ...process.env, OPENBLAS_NUM_THREADS: "1" }, encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`implicit ended with ${status}: ${stderr.slice(-800)}`);
  return JSON.parse(readFileSync(join(folder, "theirs.json"), "utf8"));
}

export interface ImplicitTask {
  folder: string;
  trackCount: number;
  kind: "als" | "cosine" | "bm25";
  parameters: object;
}

function succeeds(command: string, args: string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}
