// Sends requests as an open loop: at the given rate, whether answers come or not; at rate 0 each of the connections
// sends the next one when its answer has come. Usage: node load-generator.mjs URL RATE SECONDS CONNECTIONS [COUNT], with
// the requests on standard input, a line each: a path to GET, or a method, a path and a body, separated by tabs. With a
// count it ends after so many. Prints one line of JSON: answers; errors, that is answers other than 2xx and connections
// that broke; statuses; and milliseconds from the moment at which a request was due to its answer, of those with 2xx.
import { readFileSync } from "node:fs";
import { connect } from "node:net";

const [url = "", rate = "0", seconds = "1", connections = "64", count = "Infinity"] = process.argv.slice(2);
const { hostname, port, host } = new URL(url);
const requests = readFileSync(0, "utf8").trim().split("\n").map(toRequest);
const latencies = [];
const statuses = {};
let [broken, next] = [0, 0];
const endMs = performance.now() + Number(seconds) * 1000;

function toRequest(line) {
  const [method, path, body] = line.includes("\t") ? line.split("\t") : ["GET", line];
  if (body === undefined) return () => `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}`;
  return (number) => `${head}\r\nIdempotency-Key: ${process.pid}-${number}\r\n\r\n${body}`;
}

function open() {
  const own = { socket: undefined, due: undefined, text: "", wanted: -1 };
  join(own);
  return own;
}

/** A server may close a connection that is not used. */
function join(own) {
  own.socket = connect(Number(port), hostname).setNoDelay();
  own.socket.on("data", (chunk) => take(own, chunk));
  own.socket.on("error", () => undefined); // and closes
  own.socket.on("close", () => {
    join(own);
    if (own.due === undefined) return;
    broken++;
    [own.text, own.wanted, own.due] = ["", -1, undefined];
    free(own);
  });
}

function take(own, chunk) {
  own.text += chunk.toString("latin1");
  if (own.wanted < 0) {
    const end = own.text.indexOf("\r\n\r\n");
    if (end < 0) return;
    own.wanted = end + 4 + Number(/content-length: (\d+)/i.exec(own.text)?.[1] ?? 0);
  }
  if (own.text.length < own.wanted) return;
  const status = own.text.slice(9, 12);
  statuses[status] = (statuses[status] ?? 0) + 1;
  if (status.startsWith("2")) latencies.push(performance.now() - own.due);
  [own.text, own.wanted, own.due] = ["", -1, undefined];
  free(own);
}

const idle = [];
const waiting = [];

function send(own, due) {
  own.due = due;
  own.socket.write(requests[next % requests.length](next));
  next++;
}

function mayGoOn() {
  return performance.now() < endMs && next < Number(count);
}

function free(own) {
  if (Number(rate) === 0) {
    if (mayGoOn()) send(own, performance.now());
  } else if (waiting.length > 0) send(own, waiting.shift());
  else idle.push(own);
}

for (let number = 0; number < Number(connections); number++) free(open());
let [startMs, sent] = [performance.now(), 0];
const timer = setInterval(() => {
  const now = performance.now();
  for (; Number(rate) > 0 && mayGoOn() && startMs + (sent * 1000) / Number(rate) <= now; sent++) {
    const due = startMs + (sent * 1000) / Number(rate);
    const own = idle.pop();
    if (own === undefined) waiting.push(due);
    else send(own, due);
  }
  const answers = Object.values(statuses).reduce((sum, number) => sum + number, 0);
  const isDone = answers + broken >= next && waiting.length === 0;
  if (mayGoOn() || (!isDone && now < endMs + 5000)) return;
  clearInterval(timer);
  const unanswered = next - answers - broken + waiting.length;
  const errors = answers - latencies.length + broken + unanswered;
  const tenth = Math.ceil(latencies.length / 10);
  const [first, last] = [latencies.slice(0, tenth), latencies.slice(-tenth)].map((part) => at(part, 0.99));
  const quantiles = { p50: at(latencies, 0.5), p99: at(latencies, 0.99), p999: at(latencies, 0.999) };
  console.log(JSON.stringify({ answers, errors, broken, unanswered, statuses, ...quantiles, first, last }));
  process.exit();
}, 1);

function at(values, share) {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? null;
}
