// `npm run bench -- 10 100 1000` measures the runner, `npm run bench -- star [raw rows]` a star schema,
// `npm run bench -- postgres [rows]` loading a table, `npm run bench -- ingest [records] [--peers]` a list over HTTP,
// `npm run bench -- serve [seconds]` the serving API, `npm run bench -- reco` recommendations.
const [first, rawRows] = process.argv.slice(2);

if (first === "star") {
  const { benchStar } = await import("./star.ts");
  await benchStar(Number(rawRows ?? 5_000_000));
} else if (first === "postgres") {
  const { benchPostgres } = await import("./postgres.ts");
  await benchPostgres(Number(rawRows ?? 1_000_000));
} else if (first === "ingest") {
  const { benchIngest } = await import("./ingest.ts");
  const records = process.argv.slice(3).find((argument) => /^\d+$/.test(argument)) ?? 1_000_000;
  await benchIngest(Number(records), { peers: process.argv.includes("--peers") });
} else if (first === "reco") {
  const { benchReco } = await import("./reco.ts");
  await benchReco();
} else if (first === "schedule") {
  const { benchSchedule } = await import("./schedule.ts");
  await benchSchedule();
} else if (first === "serve") {
  const { benchServe } = await import("./serve.ts");
  await benchServe(Number(rawRows ?? 20));
} else await import("./runner.ts");
