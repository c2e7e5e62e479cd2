import type { Context } from "../../core/context.ts";
import type { FileStreamDefinition } from "../../core/sillon.ts";
import { type Batches, createBatches } from "../batches.ts";
import { type Reader, type ReadJob, type ReadOutcome, streamName } from "../reader.ts";
import { type FileLoad, type LoadedFile, loadedFiles, onlyInFiles, writeFiles } from "./file-tables.ts";
import { checkInside, findFiles } from "./find-files.ts";
import { recordsOf } from "./formats.ts";
import { type Handle, localHandle } from "./handle.ts";
import type { FileParts } from "./parts.ts";
import { isAddress, openRemoteFile } from "./remote.ts";

/** Reads files, each once and again when its content has changed. Throws FILE_OUTSIDE or BASE_URL_INVALID (exit 2). */
export function openFileReader(ctx: Context, given: Omit<FileParts, "ctx">): Reader {
  const parts = { ctx, ...given };
  const { source, settings } = parts;
  const remotes = new Map(
    source.streams
      .filter(({ path }) => isAddress(path))
      .map((stream) => [stream.name, openRemoteFile(parts, stream)]),
  );
  for (const stream of source.streams) {
    if (!isAddress(stream.path))
      checkInside(ctx, { name: streamName({ source, stream }), path: stream.path, settings });
  }
  const find = async (stream: FileStreamDefinition, job?: ReadJob): Promise<Handle[]> => {
    const remote = remotes.get(stream.name);
    if (remote !== undefined) return job === undefined ? [] : remote.find(job);
    const wanted = { name: streamName({ source, stream }), path: stream.path, settings };
    return (await findFiles(ctx, wanted)).map((file) => localHandle(ctx, file));
  };
  return {
    read: async (job) => {
      const stream = source.streams.find((one) => one.name === job.stream);
      if (stream === undefined) throw new Error(`no stream ${job.stream}`);
      return readFiles(parts, { job, stream, handles: await find(stream, job) });
    },
    reach: async () => {
      const found = await Promise.all(source.streams.map((stream) => find(stream)));
      const count = found.flat().length;
      const addresses = remotes.size === 0 ? "" : `, ${remotes.size} addresses not asked`;
      return `${count} ${count === 1 ? "file" : "files"}${addresses}`;
    },
    close: async () => {
      await Promise.all([...remotes.values()].map((remote) => remote.close()));
    },
  };
}

interface Work {
  job: ReadJob;
  stream: FileStreamDefinition;
  handles: readonly Handle[];
}

async function readFiles(parts: FileParts, { job, stream, handles }: Work): Promise<ReadOutcome> {
  const { ctx, settings } = parts;
  const { warehouse, readsAgain } = job;
  const former =
    warehouse === null ? new Map<string, LoadedFile>() : await loadedFiles(warehouse, stream.name);
  const batches = createBatches(job);
  const files: FileLoad[] = [];
  await job.restart();
  for (const handle of handles) {
    const known = former.get(handle.name);
    if (known !== undefined && !readsAgain && handle.modified !== "0") {
      if (known.size === handle.size && known.modified === handle.modified) continue;
    }
    const hash = await handle.hash();
    const { name, size, modified } = handle;
    const isSame = !readsAgain && known?.hash === hash;
    const [first, before] = [batches.lastNumber() + 1, batches.records()];
    if (!isSame) {
      await readFile(handle, { job, stream, batches, maxBytes: settings.maxBodyBytes });
      job.traffic.sizeBytes += size;
    }
    handle.checkUnchanged();
    const range = isSame ? null : { first, last: batches.lastNumber() };
    files.push({ name, size, modified, hash, records: batches.records() - before, batches: range });
  }
  const present = new Set(handles.map(({ name }) => name));
  const gone = [...former.keys()].filter((name) => !present.has(name));
  const read = files.filter((file) => file.batches !== null).map(({ name }) => name);
  const outcome = { pages: batches.lastNumber(), total: null };
  if (warehouse === null) return outcome;
  // Without anything known of former loads all of it was read.
  const isWhole = readsAgain || former.size === 0;
  return {
    ...outcome,
    part: {
      mayBeGone: isWhole ? "true" : onlyInFiles(warehouse, stream.name, [...read, ...gone]),
      commit: ({ loadId, landed, isCertain }) =>
        writeFiles(warehouse, stream.name, {
          loadId,
          landed,
          loadedAt: ctx.clock.now(),
          files,
          gone,
          keepsKeys: !isCertain,
        }),
    },
  };
}

async function readFile(
  handle: Handle,
  { job, stream, batches, maxBytes }: Omit<Work, "handles"> & { batches: Batches; maxBytes: number },
): Promise<void> {
  const collector = batches.collector();
  try {
    for await (const records of recordsOf(stream, handle.content(maxBytes))) {
      job.signal.throwIfAborted();
      for (const record of records) {
        const taken = collector.add(record);
        if (taken !== undefined) await taken;
      }
    }
    await collector.flush();
  } finally {
    handle.release();
  }
}
