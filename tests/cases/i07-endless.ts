import { type Form, type ListServer, listSource, rowTexts, startListServer } from "../ingest/list-server.ts";
import { createWorld } from "../ingest/world.ts";
import { all, type Case, none } from "./case.ts";

const TOKEN = "c2VjcmV0LXRva2Vu";

interface Loop {
  name: string;
  form: Form;
  /** The answer in which something comes again. */
  repeatsAt: number;
  prepare(server: ListServer): void;
}

/** Always new records, and this mark of the next page after the n-th request. */
const marked = (mark: (nth: number) => string) => (server: ListServer) => {
  server.answer = (_, response) => {
    const nth = server.requests.length;
    const next = mark(nth);
    response.setHeader("x-next", next);
    response.setHeader("link", `<${next}>; rel="next"`);
    const meta = JSON.stringify({ next, url: next });
    return response.end(`{"rows":[${rowTexts(10, nth * 10)}],"meta":${meta}}`) === response;
  };
};

const itself = marked(() => "/tracks");
const one = marked(() => TOKEN);
const two = marked((nth) => `${TOKEN}${nth % 2}`);
const linkedOne = marked(() => `/tracks?after=${TOKEN}`);

/** Beyond the end comes the last page again. */
const lastPage = (server: ListServer) => {
  server.onRequest = () => {
    const { url } = server.requests.at(-1) ?? {};
    for (const name of ["offset", "p"]) {
      const last = name === "p" ? 3 : 25;
      if (Number(url?.searchParams.get(name)) > last) url?.searchParams.set(name, String(last));
    }
  };
};

const LOOPS: Loop[] = [
  { name: "a mark to itself in the body", form: "cursor", repeatsAt: 2, prepare: one },
  { name: "a mark to itself in a header", form: "header", repeatsAt: 2, prepare: one },
  { name: "a mark to itself in the body of a POST", form: "post", repeatsAt: 2, prepare: one },
  { name: "two marks in the body", form: "cursor", repeatsAt: 3, prepare: two },
  { name: "two marks in a header", form: "header", repeatsAt: 3, prepare: two },
  { name: "a next link to the page itself", form: "link", repeatsAt: 1, prepare: itself },
  { name: "a next link to the second page", form: "link", repeatsAt: 2, prepare: linkedOne },
  { name: "a next address of the page itself", form: "next_url", repeatsAt: 1, prepare: itself },
  { name: "the last page by page number", form: "page", repeatsAt: 5, prepare: lastPage },
  { name: "the last page by offset", form: "offset", repeatsAt: 5, prepare: lastPage },
];

/** I-07: pagination that never ends. */
export const endlessPaging: Case = {
  id: "I-07",
  run: async () => {
    const failures: string[] = [];
    let [stopped, mostAfter, shown] = [0, 0, 0];
    for (const loop of LOOPS) {
      const server = await startListServer({ form: loop.form, list: rowTexts(40), isCounting: false });
      const world = await createWorld({ url: server.url, source: listSource(loop.form) });
      try {
        loop.prepare(server);
        const { status, error } = await world.loadOne("tracks", { max_pages: 50 });
        const isTold =
          error?.code === "PAGE_REPEATED" && /^moovitamix\.tracks, page \d+: /.test(error.message);
        if (status === "failed" && isTold) stopped += 1;
        else failures.push(`${loop.name}: ${status} ${error?.code} ${error?.message}`);
        mostAfter = Math.max(mostAfter, server.requests.length - loop.repeatsAt);
        const said = JSON.stringify([error?.message, error?.why, error?.where, error?.hint, world.log]);
        if (said.includes(TOKEN)) shown += 1;
      } finally {
        world.close();
        await server.stop();
      }
    }
    return {
      figures: [
        all("stopped", stopped, LOOPS.length),
        { name: "requests_after_repeat", value: mostAfter, atMost: 1 },
        none("tokens_shown", shown),
      ],
      failures,
    };
  },
};
