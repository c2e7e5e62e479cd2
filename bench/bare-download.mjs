// What a load over HTTP is measured against: the pages of the list and nothing done with them.
// Usage: node bare-download.mjs URL PAGES AT_ONCE
import { Pool } from "undici";

const [, , url, pages, atOnce] = process.argv;
const pool = new Pool(url, { connections: Number(atOnce) });
let [next, bytes] = [1, 0];
async function work() {
  while (next <= Number(pages)) {
    const { body } = await pool.request({ path: `/listen_history?page=${next++}&size=100`, method: "GET" });
    for await (const chunk of body) bytes += chunk.length;
  }
}
await Promise.all(Array.from({ length: Number(atOnce) }, work));
await pool.close();
console.log(bytes);
