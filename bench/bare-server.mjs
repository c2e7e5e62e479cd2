// The least that Node can do: one prepared body for every request. Usage: node bare-server.mjs; the body comes on
// standard input, the port is printed.
import { readFileSync } from "node:fs";
import { createServer } from "node:http";

const body = readFileSync(0);
const headers = { "Content-Type": "application/json; charset=utf-8", "Content-Length": body.length };
const server = createServer((_, response) => response.writeHead(200, headers).end(body));
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
