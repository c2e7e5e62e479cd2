import { ProjectError } from "../../core/errors.ts";
import type { ContractDefinition } from "../../core/sillon.ts";
import { type Batch, type BrokenCheck, brokenChecks, exampleText, records, shareText } from "./checks.ts";
import type { Breaches } from "./tally.ts";

export interface Judged extends Batch {
  /** `radio.stations` */
  name: string;
  contract: ContractDefinition;
  /** Of all of the load that has come. */
  invalid: Breaches;
  /** Earlier parts of the load are committed. */
  isBegun: boolean;
  /** How records differ from earlier ones, a line each. */
  drift: readonly string[];
}

/** Throws CONTRACT_BROKEN or CHECK_FAILED when a batch is not as its stream's contract asks. */
export function judgeBatch(judged: Judged): void {
  const tooMany = tooManyInvalid(judged);
  if (tooMany !== null) throw contractBroken(judged, tooMany);
  const broken = brokenChecks(judged.contract, judged);
  if (broken[0] !== undefined) throw checkFailed(judged, broken);
}

/** What the contract lets pass; null when there are not more broken records than that. */
function tooManyInvalid({ contract, invalid, load }: Judged): string | null {
  const { onInvalid, maxInvalid, maxInvalidShare } = contract;
  const { count } = invalid;
  if (count === 0) return null;
  if (onInvalid === "fail") return 'and onInvalid: "fail" lets none pass';
  if (maxInvalid !== undefined && count > maxInvalid) return `and maxInvalid lets ${maxInvalid} pass`;
  if (maxInvalidShare === undefined || count <= maxInvalidShare * load.received) return null;
  return `a share of ${shareText(count, load.received)}, and maxInvalidShare lets ${maxInvalidShare} pass`;
}

const untouched = ({ isBegun }: Judged) =>
  isBegun
    ? "what was committed before stays, nothing after it was changed"
    : "nothing of this stream was changed";

function contractBroken(judged: Judged, bound: string): ProjectError {
  const { name, invalid, load, contract, drift } = judged;
  const isKept = contract.onInvalid !== "accept";
  const first = exampleText(invalid.first).replace("; the first on ", "");
  const change = contract.onInvalid === "fail" ? "onInvalid" : "the bound";
  return new ProjectError("CONTRACT_BROKEN", {
    message: `${name}: ${invalid.count} of ${records(load.received)} ${invalid.count === 1 ? "breaks" : "break"} the contract, ${bound}`,
    where: name,
    why: [
      `${first}: ${invalid.first?.what}`,
      ...drift,
      `${untouched(judged)}${isKept ? "; the refused records are in quarantine" : ""}`,
    ],
    hint: `${isKept ? `see them with run quarantine show ${name}; ` : ""}have the service corrected, or change the schema or ${change} in the contract of the stream, then run again`,
  });
}

function checkFailed(judged: Judged, [first, ...others]: BrokenCheck[]): ProjectError {
  const { name, drift } = judged;
  const text = (one: BrokenCheck | undefined) =>
    `${one?.check} of the contract does not hold: expected ${one?.bound}, found ${one?.found}`;
  return new ProjectError("CHECK_FAILED", {
    message: `${name}: ${text(first)}`,
    where: name,
    why: [...others.map(text), ...drift, untouched(judged)],
    hint: `see whether the service is right; when it is, change ${first?.check} in the contract of the stream, then run again`,
  });
}
