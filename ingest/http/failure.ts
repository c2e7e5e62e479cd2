import { isNativeError } from "node:util/types";

export interface FailureDetails {
  code: string;
  /** A repeated request may go better. */
  isRetryable: boolean;
  /** The host asks for fewer requests. */
  isRateLimit?: boolean;
  /** How long the host asks to be left alone. */
  retryAfterMs?: number | undefined;
  /** What was seen: a line for the error's `why`. */
  detail?: string | undefined;
  hint?: string;
  cause?: unknown;
}

/** Why one attempt at a request failed: the client repeats it or gives it the name of its stream and page. */
export class AttemptFailure extends Error {
  override readonly name = "AttemptFailure";
  readonly details: FailureDetails;

  constructor(message: string, details: FailureDetails) {
    super(message, { cause: details.cause });
    this.details = details;
  }
}

const NETWORK_REASONS: Record<string, string> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  ENOTFOUND: "the host name is not known",
  EAI_AGAIN: "the host name cannot be looked up",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  UND_ERR_SOCKET: "the connection was closed by the other side",
  UND_ERR_CONNECT_TIMEOUT: "the connection could not be made in time",
};

/** What sending threw, before any answer came. */
export function networkFailure(error: unknown): AttemptFailure {
  const root = rootOf(error);
  if (root instanceof AttemptFailure) return root;
  const { code, message } = wordsOf(root);
  return new AttemptFailure(NETWORK_REASONS[code] ?? `the request failed: ${message}`, {
    code: "API_UNREACHABLE",
    isRetryable: true,
    cause: error,
  });
}

export interface Progress {
  receivedBytes: number;
  /** As the answer announced it. */
  expectedBytes: number | undefined;
}

/** What reading the body threw. */
export function cutFailure(error: unknown, progress: Progress): AttemptFailure {
  const { code, message } = wordsOf(rootOf(error));
  const expected = progress.expectedBytes === undefined ? "" : ` of ${progress.expectedBytes}`;
  return new AttemptFailure(`the answer broke off after ${progress.receivedBytes}${expected} bytes`, {
    code: "API_BODY_CUT",
    isRetryable: true,
    detail: NETWORK_REASONS[code] ?? message,
    cause: error,
  });
}

/** fetch hides the reason in a chain of causes. */
function rootOf(error: unknown): unknown {
  let root = error;
  while (isNativeError(root) && root.cause !== undefined) root = root.cause;
  return root;
}

function wordsOf(root: unknown): { code: string; message: string } {
  if (!isNativeError(root)) return { code: "", message: String(root) };
  const code = "code" in root && typeof root.code === "string" ? root.code : "";
  return { code, message: root.message || code };
}
