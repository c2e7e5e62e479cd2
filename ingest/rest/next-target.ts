import type { BaseUrl } from "../http/base-url.ts";
import { AttemptFailure } from "../http/failure.ts";

/** Whether an address that a service gave may be asked: it has to be of the base address's origin. Throws AttemptFailure (API_REDIRECTED). */
export function checkTarget(target: URL, base: BaseUrl): void {
  if (target.origin === base.url.origin) return;
  const shown = target.host === "" ? target.protocol : target.origin;
  throw new AttemptFailure(`the next page is said to be at another host: ${shown}`, {
    code: "API_REDIRECTED",
    isRetryable: false,
    hint: "give the address that the service really has",
  });
}
