import { createContext } from "../../core/context.ts";
import type { RestSourceDefinition } from "../../core/sillon.ts";
import { openAccess } from "../../ingest/http/access.ts";
import { exchange } from "../../ingest/http/exchange.ts";
import { AttemptFailure } from "../../ingest/http/failure.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import type { Ground } from "./case.ts";
import { all, type Case, none, type Report } from "./case.ts";
import { inPairs, runCommand } from "./command.ts";
import { sendRecords, sourceFile, startServer } from "./sources.ts";

/** Hosts and schemes that a request must not be led to; PORT is of a server that counts what comes to it. */
const FORMS = [
  "http://127.0.0.1:PORT/",
  "http://127.1:PORT/",
  "http://127.8.9.10:PORT/",
  "http://2130706433:PORT/",
  "http://0x7f000001:PORT/",
  "http://0x7f.0.0.1:PORT/",
  "http://0177.0.0.1:PORT/",
  "http://017700000001:PORT/",
  "http://0.0.0.0:PORT/",
  "http://localhost:PORT/",
  "http://127.0.0.1.:PORT/",
  "http://[::1]:PORT/",
  "http://[::ffff:127.0.0.1]:PORT/",
  "http://[::ffff:7f00:1]:PORT/",
  "http://10.0.0.1:PORT/",
  "http://172.16.0.1:PORT/",
  "http://192.168.0.1:PORT/",
  "http://169.254.169.254/latest/meta-data/",
  "http://2852039166/latest/meta-data/",
  "http://[fd00:ec2::254]/latest/meta-data/",
  "http://[fe80::1]:PORT/",
  "file:///etc/passwd",
  "ftp://127.0.0.1:PORT/",
  "data:application/json,{}",
];
const SCHEMES = FORMS.filter((form) => !form.startsWith("http:"));

interface Finding {
  place: string;
  form: string;
  isRefused: boolean;
  said: string;
}

/** I-15: requests that should not leave. */
export const otherHosts: Case = {
  id: "I-15",
  run: async ({ size, projects }: Ground): Promise<Report> => {
    let connections = 0;
    const inner = await startServer((_request, response) => {
      connections++;
      response.end("{}");
    });
    let location = "";
    const own = await startServer((_request, response) => {
      response.writeHead(302, { location }).end();
    });
    const forms = FORMS.map((form) => form.replace("PORT", String(inner.port)));
    const findings: Finding[] = [];
    try {
      for (const allowed of [[], ["*"]]) {
        for (const form of forms) {
          findings.push(await ask("next link", { form, base: own.url, url: form, allowed }));
          location = form;
          findings.push(await ask("redirect", { form, base: own.url, url: own.url, allowed }));
        }
      }
      const cwd = projects.make(sourceFile("shop", ["items"]));
      const schemes = size === "full" ? SCHEMES : SCHEMES.slice(0, 1);
      findings.push(
        ...(await inPairs(schemes, async (form) => {
          const { exitCode, stderr } = await runCommand(["ingest"], { cwd, env: { API_URL: form } });
          return {
            place: "base URL",
            form,
            isRefused: exitCode === 2 && stderr.includes("API_URL"),
            said: stderr,
          };
        })),
      );
      const unused = connections;
      const allowed = await askAllowed(inner.port);
      const wrong = findings.filter(({ isRefused }) => !isRefused);
      return {
        figures: [
          { name: "forms", value: FORMS.length },
          { name: "tried", value: findings.length },
          none("connections", unused),
          none("not_refused", wrong.length),
          all("allowed_hosts_reached", allowed.reached, allowed.tried),
          all("own_hosts_reached", await askOwn(projects), 1),
        ],
        failures: wrong.map(({ place, form, said }) => `${place} ${form}: ${said.slice(0, 200)}`),
      };
    } finally {
      await Promise.all([inner.stop(), own.stop()]);
    }
  },
};

interface Asked {
  form: string;
  base: string;
  url: string;
  allowed: string[];
}

/** One request of a source at `base` to an address that the service gave. */
async function ask(place: string, { form, base, url, allowed }: Asked): Promise<Finding> {
  try {
    const status = await request(base, url, allowed);
    return { place, form, isRefused: false, said: `answered ${status}` };
  } catch (error) {
    if (!(error instanceof AttemptFailure)) throw error;
    const { code, hint = "" } = error.details;
    const isRefused = code === "HOST_REFUSED" && hint.includes("allowed_hosts");
    return { place, form, isRefused, said: `${code} ${error.message}` };
  }
}

async function request(base: string, url: string, allowed_hosts: string[]): Promise<number> {
  const ctx = createContext({ projectDir: "/", env: {}, sink: () => {} });
  const settings = ingestSettings.parse({ allowed_hosts });
  const source: Pick<RestSourceDefinition, "name"> = { name: "shop" };
  const place = { url: new URL(base), authorization: undefined, variable: "API_URL" };
  const { rules, dispatcher } = openAccess(ctx, { source, base: place, settings });
  try {
    const answer = await exchange({
      url: new URL(url),
      method: "GET",
      headers: {},
      settings,
      signal: ctx.signal,
      rules,
      dispatcher,
    });
    return answer.status;
  } finally {
    await dispatcher.destroy();
  }
}

/** Hosts on the list are asked, however the list and the address write them. */
async function askAllowed(port: number): Promise<{ tried: number; reached: number }> {
  const attempts = [
    { url: `http://127.0.0.1:${port}/`, allowed: [`127.0.0.1:${port}`] },
    { url: `http://127.0.0.1:${port}/`, allowed: ["127.0.0.1"] },
    { url: `http://2130706433:${port}/`, allowed: ["127.0.0.1"] },
    { url: `http://localhost:${port}/`, allowed: ["localhost"] },
    { url: `http://localhost:${port}/`, allowed: ["*", `localhost:${port}`] },
  ];
  let reached = 0;
  for (const { url, allowed } of attempts) {
    const { said } = await ask("allowed", { form: url, base: "http://127.0.0.1:1", url, allowed });
    if (said === "answered 200") reached++;
  }
  return { tried: attempts.length, reached };
}

/** A base URL on loopback is asked without any list. */
async function askOwn(projects: Ground["projects"]): Promise<number> {
  const server = await startServer((_request, response, url) => sendRecords(response, url, 3));
  try {
    const cwd = projects.make(sourceFile("shop", ["items"]));
    const { exitCode } = await runCommand(["ingest"], { cwd, env: { API_URL: server.url } });
    return exitCode === 0 ? 1 : 0;
  } finally {
    await server.stop();
  }
}
