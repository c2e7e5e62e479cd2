// `npm run bench -- 10 100 1000` measures the runner, `npm run bench -- star [raw rows]` a star schema,
// `npm run bench -- postgres [rows]` loading a table.
const [first, rawRows] = process.argv.slice(2);

if (first === "star") {
  const { benchStar } = await import("./star.ts");
  await benchStar(Number(rawRows ?? 5_000_000));
} else if (first === "postgres") {
  const { benchPostgres } = await import("./postgres.ts");
  await benchPostgres(Number(rawRows ?? 1_000_000));
} else await import("./runner.ts");
