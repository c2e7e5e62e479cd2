// Fits ALS on a matrix of a folder (offsets, columns and values as raw numbers), then makes everybody's ten best tracks.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fitAls } from "../build/reco/candidates/als.js";
import { createAsk } from "../build/reco/candidates/members.js";

const [folder, trackCount, parameters] = process.argv.slice(2);
const bytesOf = (name) => new Uint8Array(readFileSync(join(folder, name))).buffer;
const plays = {
  offsets: new Int32Array(bytesOf("offsets")),
  columns: new Int32Array(bytesOf("columns")),
  values: new Float32Array(bytesOf("values")),
};
const als = JSON.parse(parameters);
const [fit, factors] = timed(() => fitAls(plays, Number(trackCount), als).tracks);
const none = new Map();
const model = {
  recipe: { als },
  trackIds: Array.from({ length: Number(trackCount) }, (_, track) => String(track)),
  factors,
  segments: none,
  artists: none,
  neighbours: { offsets: new Int32Array(1), columns: new Int32Array(0), values: new Float32Array(0) },
  artistOf: [],
};
const ask = createAsk(model, { depth: 10, isBlocked: () => false });
const listsOf = (users) =>
  users.map((row) => [...ask({ row, plays, decayed: plays, segment: "all" }, "factors").tracks]);
const users = Array.from(plays.offsets.subarray(1).keys());
const [infer, lists] = timed(() => listsOf(users));
const peakMb = process.resourceUsage().maxRSS / 1024;
writeFileSync(
  join(folder, "ours.json"),
  JSON.stringify({ fit, peakMb, usersPerSecond: users.length / infer.cpuSeconds, lists }),
);

function timed(work) {
  const [before, startedMs] = [process.cpuUsage(), performance.now()];
  const result = work();
  const { user, system } = process.cpuUsage(before);
  return [{ cpuSeconds: (user + system) / 1e6, wallSeconds: (performance.now() - startedMs) / 1000 }, result];
}
