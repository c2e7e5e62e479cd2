// Sends GET requests as an open loop: at the given rate, whether answers come or not; at rate 0 each of the connections
// sends the next one when its answer has come. Usage: node load-generator.mjs URL RATE SECONDS CONNECTIONS, with the
// paths on standard input, a line each. Prints one line of JSON: answers, errors, and milliseconds from the moment at
// which a request was due to its answer.
import { readFileSync } from "node:fs";
import { connect } from "node:net";

const [url = "", rate = "0", seconds = "1", connections = "64"] = process.argv.slice(2);
const { hostname, port, host } = new URL(url);
const paths = readFileSync(0, "utf8").trim().split("\n");
const requests = paths.map((path) => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
const latencies = [];
let [errors, next] = [0, 0];
const endMs = performance.now() + Number(seconds) * 1000;

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
    errors++;
    own.text = "";
    own.wanted = -1;
    own.due = undefined;
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
  if (!own.text.startsWith("HTTP/1.1 200")) errors++;
  latencies.push(performance.now() - own.due);
  [own.text, own.wanted, own.due] = ["", -1, undefined];
  free(own);
}

const idle = [];
const waiting = [];

function send(own, due) {
  own.due = due;
  own.socket.write(requests[next++ % requests.length]);
}

function free(own) {
  if (Number(rate) === 0) {
    if (performance.now() < endMs) send(own, performance.now());
  } else if (waiting.length > 0) send(own, waiting.shift());
  else idle.push(own);
}

for (let count = 0; count < Number(connections); count++) free(open());
let [startMs, sent] = [performance.now(), 0];
const timer = setInterval(() => {
  const now = performance.now();
  for (; Number(rate) > 0 && now < endMs && startMs + (sent * 1000) / Number(rate) <= now; sent++) {
    const due = startMs + (sent * 1000) / Number(rate);
    const own = idle.pop();
    if (own === undefined) waiting.push(due);
    else send(own, due);
  }
  if (now < endMs + 500) return;
  clearInterval(timer);
  latencies.sort((left, right) => left - right);
  const at = (share) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? null;
  const answers = latencies.length;
  console.log(JSON.stringify({ answers, errors, p50: at(0.5), p99: at(0.99), p999: at(0.999) }));
  process.exit();
}, 1);
