import { describe, expect, it } from "vitest";
import { EXIT, ProjectError } from "../../core/errors.ts";
import { FAULTS_HELP, type FaultRule, parseFaults } from "../../moovitamix/faults.ts";

describe("parseFaults", () => {
  it.each<[string, FaultRule[]]>([
    ["", []],
    ["5xx", [{ kind: "5xx" }]],
    [
      "429=0.05, 5xx=0.1",
      [
        { kind: "429", probability: 0.05 },
        { kind: "5xx", probability: 0.1 },
      ],
    ],
    ["cut@tracks/3x2", [{ kind: "cut", stream: "tracks", page: 3, times: 2 }]],
    ["5xxx2", [{ kind: "5xx", times: 2 }]],
    ["broken@users=0.01", [{ kind: "broken", stream: "users", probability: 0.01 }]],
    ["reset@*/3", [{ kind: "reset", page: 3 }]],
    ["429(retry-after=2)@tracks", [{ kind: "429", retryAfter: "2", stream: "tracks" }]],
    ["429(retry-after=date+5,after=3)x1", [{ kind: "429", retryAfter: "date+5", after: 3, times: 1 }]],
    [
      "429(retry-after=Wed, 21 Oct 2026 07:28:00 GMT),html",
      [{ kind: "429", retryAfter: "Wed, 21 Oct 2026 07:28:00 GMT" }, { kind: "html" }],
    ],
    [
      "401@users,503",
      [
        { kind: "status", status: 401, stream: "users" },
        { kind: "5xx", status: 503 },
      ],
    ],
    ["cut(at=random,framing=gzip)", [{ kind: "cut", at: "random", framing: "gzip" }]],
    ["stall(where=drip,ms=50)", [{ kind: "stall", where: "drip", ms: 50 }]],
    ["broken(damage=null-key,record=0)", [{ kind: "broken", damage: "null-key", record: 0 }]],
    ["cut(bytes=40)@listen_history", [{ kind: "cut", bytes: 40, stream: "listen_history" }]],
  ])("reads %j", (text, rules) => {
    expect(parseFaults(text)).toEqual(rules);
  });

  it.each([
    ["5xx,stal=0.1", 'fault "stal=0.1": "stal" is no kind of fault', "nearest name: stall"],
    ["cut@track", 'fault "cut@track": "track" is no stream', "nearest name: tracks"],
    [
      "cut(fraiming=gzip)",
      'fault "cut(fraiming=gzip)": "fraiming" is no setting of cut',
      "nearest name: framing",
    ],
    ["429(at=1)", 'fault "429(at=1)": "at" is no setting of 429', undefined],
    ["cut(at=2)", 'fault "cut(at=2)": "2" is no value for at', undefined],
    ["broken(damage=big)", 'fault "broken(damage=big)": "big" is no value for damage', undefined],
    ["429=7", 'fault "429=7": "7" is no probability from 0 to 1', undefined],
    ["429=often", 'fault "429=often": "often" is no probability from 0 to 1', undefined],
    ["status", 'fault "status": it needs a status', undefined],
    ["cut(at=0.5", 'fault "cut(at=0.5": it does not have the form of a rule', undefined],
    ["cut@tracks/0", 'fault "cut@tracks/0": it does not have the form of a rule', undefined],
  ])("refuses %j", (text, message, nearest) => {
    let error: unknown;
    try {
      parseFaults(text);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ProjectError);
    const why = nearest === undefined ? [] : [nearest];
    const hint = "write it like 429=0.05,cut(at=0.3)@tracks/3x2";
    expect(error).toMatchObject({ code: "FAULTS_INVALID", exitCode: EXIT.usage, message, why, hint });
  });

  it("reads every example of the help text", () => {
    const examples = [...FAULTS_HELP.matchAll(/^ {2}(\S+) {2,}/gm)].map(([, text = ""]) => text);
    expect(examples.length).toBeGreaterThan(20);
    for (const example of examples) {
      if (example !== "status") expect(parseFaults(example).length).toBeGreaterThan(0);
    }
  });
});
