// What `#faults` of package.json is under `node --conditions=sillon-faults`: RUN_FAULT=name:nth:kill|error|stall
// strikes when the point `name` is reached for the nth time.

const [name, nth = "1", action] = (process.env.RUN_FAULT ?? "").split(":");
let reached = 0;

export function faultPoint(point) {
  if (point !== name || ++reached !== Number(nth)) return undefined;
  if (action === "kill") process.kill(process.pid, "SIGKILL");
  if (action === "error") throw new Error(`fault at ${point}`);
  // Alive, and getting nowhere: only a signal ends it.
  if (action === "stall") return new Promise(() => setInterval(() => {}, 1000));
  throw new Error(`RUN_FAULT=${process.env.RUN_FAULT}: expected name:nth:kill, error or stall`);
}
