// Serves a made-up listen_history in pages, as fast as a service can: answers are made beforehand and requests are
// only looked at for what differs. Usage: node page-server.mjs RECORDS; prints its port. `/listen_history?page&size` is
// the list, `since=` leaves the changed ones of it; POST `/set?changed=N&delay=MS` changes N records or delays answers.
import { createServer } from "node:net";

const SIZE = 100;
const records = Number(process.argv[2]);
const START_MS = Date.UTC(2024, 0, 1);
const CHANGED_AT = "2026-06-01T00:00:00";

let [changed, delayMs] = [0, 0];
let [all, some] = [[], []];

/** Some ten ids and two times a record, about 140 bytes. */
function recordText(index, isChanged) {
  const listenedAt = new Date(START_MS + index * 1000).toISOString().slice(0, 19);
  const items = Array.from({ length: 10 }, (_, place) => (index * 7919 + place * 104_729) % 100_000);
  const updatedAt = isChanged ? CHANGED_AT : listenedAt;
  return `{"user_id":${index % 50_000},"items":[${items}],"created_at":"${listenedAt}","updated_at":"${updatedAt}"}`;
}

function answersOf(texts, total) {
  const pages = Math.max(1, Math.ceil(total / SIZE));
  return Array.from({ length: pages }, (_, page) => {
    const items = texts(page * SIZE, Math.min(total, (page + 1) * SIZE));
    return answer(`{"items":[${items}],"total":${total},"page":${page + 1},"size":${SIZE},"pages":${pages}}`);
  });
}

function answer(body) {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}

/** Every so manyth record is a changed one. */
function prepare() {
  const step = changed === 0 ? Number.POSITIVE_INFINITY : Math.floor(records / changed);
  const range = (from, to) => Array.from({ length: to - from }, (_, index) => from + index);
  all = answersOf(
    (from, to) => range(from, to).map((one) => recordText(one, (one + 1) % step === 0)),
    records,
  );
  some = answersOf(
    (from, to) => range(from, to).map((one) => recordText((one + 1) * step - 1, true)),
    changed,
  );
}

function answerTo(line) {
  const query = new URLSearchParams(line.split(" ")[1].split("?")[1]);
  if (line.startsWith("POST")) {
    delayMs = Number(query.get("delay") ?? delayMs);
    if (query.has("changed")) changed = Number(query.get("changed"));
    prepare();
    return answer("{}");
  }
  return (query.has("since") ? some : all)[Number(query.get("page")) - 1];
}

prepare();
const server = createServer({ noDelay: true }, (socket) => {
  let received = "";
  socket.on("error", () => {});
  socket.on("data", (chunk) => {
    received += chunk.toString("latin1");
    for (let end = received.indexOf("\r\n\r\n"); end >= 0; end = received.indexOf("\r\n\r\n")) {
      const reply = answerTo(received.slice(0, received.indexOf("\r\n")));
      received = received.slice(end + 4);
      if (delayMs === 0) socket.write(reply);
      else setTimeout(() => socket.write(reply), delayMs);
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
