import type { LookupAddress } from "node:dns";
import { expect, onTestFinished, test } from "vitest";
import { createAgent } from "../../ingest/http/connect.ts";
import { AttemptFailure, networkFailure } from "../../ingest/http/failure.ts";
import { isInternalAddress } from "../../ingest/http/internal-addresses.ts";
import { checkTarget, type TargetRules } from "../../ingest/http/target.ts";
import { ingestSettings } from "../../ingest/settings.ts";
import { startScriptedApi } from "./scripted-api.ts";

const OWN = new URL("https://api.example.com/v1");

function refusalOf(
  url: string,
  allowedHosts: string[] = [],
  own: readonly URL[] = [OWN],
): AttemptFailure | null {
  try {
    checkTarget(new URL(url), { own, allowedHosts });
    return null;
  } catch (error) {
    if (error instanceof AttemptFailure) return error;
    throw error;
  }
}

/** Writings of addresses that are not of the public Internet. */
const INTERNAL = [
  "http://127.0.0.1/",
  "http://127.1/",
  "http://2130706433/",
  "http://0x7f000001/",
  "http://0x7f.0.0.1/",
  "http://0177.0.0.1/",
  "http://017700000001/",
  "http://0.0.0.0/",
  "http://10.1.2.3/",
  "http://100.64.0.1/",
  "http://172.16.0.1/",
  "http://192.168.1.1/",
  "http://169.254.169.254/latest/meta-data/",
  "http://2852039166/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:a9fe:a9fe]/",
  "http://[::127.0.0.1]/",
  "http://[64:ff9b::10.0.0.1]/",
  "http://[fd00:ec2::254]/",
  "http://[fe80::1]/",
];

test.each(INTERNAL)("refuses %s, also when any host is allowed", (url) => {
  expect(refusalOf(url)?.details).toMatchObject({
    code: "HOST_REFUSED",
    isRetryable: false,
    hint: `if it is to be trusted, list "${new URL(url).host}" under ingest: allowed_hosts in project.yml`,
  });
  expect(refusalOf(url, ["*"])?.details.detail).toContain("a loopback, private or metadata address");
});

test.each([
  "file:///etc/passwd",
  "ftp://api.example.com/x",
  "data:application/json,[]",
  "ws://api.example.com/",
])("never requests %s", (url) =>
  expect(refusalOf(url, ["*"])?.details.detail).toContain("addresses are not requested"),
);

test("takes its own host and port, under both schemes at their usual ports", () => {
  expect(refusalOf("https://api.example.com/v2?page=2")).toBeNull();
  expect(refusalOf("https://API.example.com:443/")).toBeNull();
  expect(refusalOf("http://api.example.com/")).toBeNull();
  expect(refusalOf("https://api.example.com:8443/")?.message).toBe(
    "the address https://api.example.com:8443 is refused",
  );
  expect(refusalOf("https://api.example.com.evil.org/")).not.toBeNull();
  expect(refusalOf("http://127.0.0.1:8000/x", [], [new URL("http://127.0.0.1:8000")])).toBeNull();
  expect(refusalOf("http://127.0.0.1:8001/x", [], [new URL("http://127.0.0.1:8000")])).not.toBeNull();
});

test.each([
  ["https://cdn.example.org/x", "cdn.example.org", true],
  ["https://cdn.example.org:444/x", "cdn.example.org", true],
  ["https://cdn.example.org:444/x", "cdn.example.org:444", true],
  ["https://cdn.example.org/x", "cdn.example.org:444", false],
  ["https://a.b.example.org/x", "*.example.org", true],
  ["https://example.org/x", "*.example.org", false],
  ["https://anexample.org/x", "*.example.org", false],
  ["https://example.org/x", "*", true],
  ["http://10.0.0.5:8080/x", "10.0.0.5:8080", true],
  ["http://0x0a000005:8080/x", "10.0.0.5", true],
  ["http://[::1]:8080/x", "[::1]", true],
])("%s with allowed_hosts: [%s]", (url, entry, isAllowed) => {
  expect(refusalOf(url, ingestSettings.parse({ allowed_hosts: [entry] }).allowedHosts) === null).toBe(
    isAllowed,
  );
});

test("allowed_hosts are hosts", () => {
  const parsed = ingestSettings.safeParse({ allowed_hosts: ["https://example.org/x"] });
  expect(parsed.error?.issues[0]?.message).toContain("expected a host such as cdn.example.com");
});

test("tells public addresses from others", () => {
  const publicOnes = [
    "8.8.8.8",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "64:ff9b::8.8.8.8",
    "::ffff:8.8.8.8",
  ];
  expect(publicOnes.filter(isInternalAddress)).toEqual([]);
  expect(["fe80::1%eth0", "[::1]", "224.0.0.1", "255.255.255.255"].every(isInternalAddress)).toBe(true);
  expect(isInternalAddress("localhost")).toBe(false);
});

/** What a request for a name gave, whatever the name resolves to. */
async function requestNamed(rules: TargetRules, url: string, addresses: LookupAddress[]): Promise<string> {
  const agent = createAgent(rules, (_hostname, _options, callback) => callback(null, addresses));
  onTestFinished(() => agent.destroy());
  try {
    const { fetch } = await import("undici");
    return String((await fetch(url, { dispatcher: agent })).status);
  } catch (error) {
    return networkFailure(error).details.code;
  }
}

test("judges a name by the address that is connected to", async () => {
  const api = await startScriptedApi(({ response }) => response.end());
  onTestFinished(() => api.stop());
  const { port } = new URL(api.url);
  const loopback = [{ address: "127.0.0.1", family: 4 }];
  const mixed = [{ address: "192.0.2.1", family: 4 }, ...loopback];
  const url = `http://cdn.example.org:${port}/`;
  const any = { own: [OWN], allowedHosts: ["*"] };
  expect(await requestNamed(any, url, loopback)).toBe("HOST_REFUSED");
  expect(await requestNamed(any, url, mixed)).toBe("HOST_REFUSED");
  expect(await requestNamed(any, url, [{ address: "::ffff:7f00:1", family: 6 }])).toBe("HOST_REFUSED");
  expect(await requestNamed(any, url, [])).toBe("API_UNREACHABLE");
  expect(api.requests).toEqual([]);
  expect(await requestNamed({ own: [OWN], allowedHosts: ["CDN.example.org"] }, url, loopback)).toBe("200");
  expect(await requestNamed({ own: [new URL(url)], allowedHosts: [] }, url, loopback)).toBe("200");
});
