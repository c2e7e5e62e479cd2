import { type LookupAddress, type LookupOptions, lookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { Agent } from "undici";
import { isInternalAddress } from "./internal-addresses.ts";
import { internalRefusal, isTrustedName, type TargetRules } from "./target.ts";

type Resolve = (
  hostname: string,
  options: LookupOptions & { all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** Connections of one source: to what its rules allow, judged by the address that is really connected to. */
export function createAgent(rules: TargetRules, resolve: Resolve = lookup): Agent {
  return new Agent({ connect: { lookup: guardedLookup(rules, resolve) } });
}

/** Looks a name up; the connection is made to an address of this very answer, or not at all. */
function guardedLookup(rules: TargetRules, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      const [first] = addresses ?? [];
      const inner = isTrustedName(hostname, rules)
        ? undefined
        : addresses?.find(({ address }) => isInternalAddress(address));
      if (error !== null || first === undefined) callback(error ?? notFound(hostname), "");
      else if (inner !== undefined) callback(internalRefusal(hostname, inner.address), "");
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

function notFound(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} has no address`), { code: "ENOTFOUND" });
}
