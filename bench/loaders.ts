import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Usage } from "./measure.ts";

/** Loaders of others: dlt with the settings that serve it best, and threads with Arrow as one writes them by hand. */
export type Loader = "dlt" | "threads";

const PACKAGES = ["dlt[duckdb]==1.31.0", "duckdb==1.5.5", "pyarrow", "requests"];

const SCRIPTS: Record<Loader, string> = {
  dlt: `
import dlt, sys
from dlt.sources.rest_api import rest_api_source
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
source = rest_api_source({
    "client": {"base_url": sys.argv[2], "paginator": PageNumberPaginator(base_page=1, total_path="pages")},
    "resources": [{"name": "listen_history", "endpoint": {"path": "listen_history", "params": {"size": 100}, "data_selector": "items"}}],
}, max_table_nesting=0)
pipeline = dlt.pipeline("bench", destination=dlt.destinations.duckdb("dlt.duckdb"), dataset_name="raw", pipelines_dir="dlt")
pipeline.run(source, loader_file_format="parquet", write_disposition="replace")
count = pipeline.sql_client().__enter__().execute_sql("select count(*) from raw.listen_history")[0][0]
`,
  threads: `
import sys, threading
from concurrent.futures import ThreadPoolExecutor
import duckdb, pyarrow, requests
local = threading.local()
def page(number):
    session = getattr(local, "session", None)
    if session is None:
        session = local.session = requests.Session()
    return session.get(f"{sys.argv[2]}/listen_history?page={number}&size=100").json()["items"]
pages = int(sys.argv[3])
connection = duckdb.connect("threads.duckdb")
connection.execute("create table listen_history (user_id bigint, items bigint[], created_at varchar, updated_at varchar)")
with ThreadPoolExecutor(8) as pool:
    for start in range(1, pages + 1, 200):
        rows = [one for part in pool.map(page, range(start, min(pages, start + 199) + 1)) for one in part]
        batch = pyarrow.Table.from_pylist(rows)
        connection.execute("insert into listen_history select user_id, items, created_at, updated_at from batch")
count = connection.execute("select count(*) from listen_history").fetchone()[0]
`,
};

/** dlt normalizes in processes of their own. */
const MEASURE = `
import json, resource, time
used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
usage = {"cpuSeconds": sum(one.ru_utime + one.ru_stime for one in used), "peakMb": max(one.ru_maxrss for one in used) / 1024}
open(sys.argv[1], "w").write(json.dumps({**usage, "count": count}))
`;

/** Installs the loaders into a new folder; undefined where there is no Python, or nothing can be installed. */
export function installLoaders(folder: string): string | undefined {
  const python = join(folder, "bin", "python");
  const succeeds = (command: string, args: string[]) =>
    spawnSync(command, args, { stdio: "ignore" }).status === 0;
  const isReady =
    succeeds("python3", ["-m", "venv", folder]) &&
    succeeds(python, ["-m", "pip", "install", "-q", ...PACKAGES]);
  return isReady ? python : undefined;
}

/** Throws when the loader fails, or loads another number of records. */
export function measureLoader(
  loader: Loader,
  { python, folder, url, records }: { python: string; folder: string; url: string; records: number },
): Usage {
  const [script, file] = [join(folder, `load_${loader}.py`), join(folder, `load_${loader}.json`)];
  const guarded = `${SCRIPTS[loader]}${MEASURE}`.replaceAll("\n", "\n    ");
  writeFileSync(script, `if __name__ == "__main__":${guarded}`);
  const startedAt = performance.now();
  const { status, stderr } = spawnSync(python, [script, file, url, String(records / 100)], {
    cwd: folder,
    env: { ...process.env, NORMALIZE__WORKERS: "2", RUNTIME__DLTHUB_TELEMETRY: "false" },
    encoding: "utf8",
  });
  const wallSeconds = (performance.now() - startedAt) / 1000;
  if (status !== 0) throw new Error(`${loader} ended with ${status}: ${stderr.slice(-800)}`);
  const { count, ...usage } = JSON.parse(readFileSync(file, "utf8"));
  if (count !== records) throw new Error(`${loader} loaded ${count} of ${records} records`);
  return { wallSeconds, ...usage };
}
