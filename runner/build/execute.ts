/** Work in an order in which everything that a node waits for is done first, at most `limit` at once. */
export async function runInOrder<T>(
  ids: readonly string[],
  options: {
    /** Ids that a node waits for; those outside `ids` count as done. */
    dependencies: (id: string) => Iterable<string>;
    limit: number;
    work: (id: string) => Promise<T>;
  },
): Promise<Map<string, T>> {
  const wanted = new Set(ids);
  const waiting = new Map<string, number>();
  const dependents = new Map<string, string[]>();
  for (const id of ids) {
    const parents = [...new Set(options.dependencies(id))].filter((parent) => wanted.has(parent));
    waiting.set(id, parents.length);
    for (const parent of parents) {
      const children = dependents.get(parent);
      if (children === undefined) dependents.set(parent, [id]);
      else children.push(id);
    }
  }
  const ready = ids.filter((id) => waiting.get(id) === 0);
  const results = new Map<string, T>();
  const running = new Map<string, Promise<string>>();
  while (ready.length > 0 || running.size > 0) {
    while (ready.length > 0 && running.size < options.limit) {
      const id = ready.shift() ?? "";
      running.set(
        id,
        options.work(id).then((result) => {
          results.set(id, result);
          return id;
        }),
      );
    }
    const done = await Promise.race(running.values());
    running.delete(done);
    for (const child of dependents.get(done) ?? []) {
      const left = (waiting.get(child) ?? 0) - 1;
      waiting.set(child, left);
      if (left === 0) ready.push(child);
    }
  }
  return results;
}
