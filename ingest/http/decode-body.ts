import { promisify } from "node:util";
import { brotliDecompress, gunzip, inflate } from "node:zlib";
import { AttemptFailure } from "./failure.ts";

/** What requests may ask for in `accept-encoding`. */
export const ENCODINGS = "gzip, br";

const DECODERS = new Map([
  ["gzip", promisify(gunzip)],
  ["x-gzip", promisify(gunzip)],
  ["br", promisify(brotliDecompress)],
  ["deflate", promisify(inflate)],
]);

export interface EncodedBody {
  body: Buffer;
  /** `content-encoding` of the answer. */
  encoding: string | null;
  /** Of the decoded body. */
  maxBytes: number;
}

/**
 * The body without its compression. Throws AttemptFailure: API_BODY_CUT for a stream that ends before its end,
 * API_BODY_TOO_LARGE, API_BODY_MALFORMED.
 */
export async function decodeBody({ body, encoding, maxBytes }: EncodedBody): Promise<Buffer> {
  const names = (encoding ?? "").toLowerCase().split(",");
  let decoded = body;
  for (const name of names.map((one) => one.trim()).reverse()) {
    if (name === "" || name === "identity") continue;
    const decode = DECODERS.get(name);
    if (decode === undefined) throw unknownEncoding(name);
    try {
      decoded = await decode(decoded, { maxOutputLength: maxBytes });
    } catch (error) {
      throw decodeFailure(error, { name, body, maxBytes });
    }
  }
  return decoded;
}

function unknownEncoding(name: string): AttemptFailure {
  return new AttemptFailure(`the answer is compressed as "${name}"`, {
    code: "API_BODY_MALFORMED",
    isRetryable: false,
    detail: `asked for was ${ENCODINGS}`,
    hint: "see whether the service, or a cache before it, heeds accept-encoding",
  });
}

function decodeFailure(
  error: unknown,
  { name, body, maxBytes }: { name: string; body: Buffer; maxBytes: number },
): AttemptFailure {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (code === "ERR_BUFFER_TOO_LARGE") return tooLarge(maxBytes);
  const isCut = code === "Z_BUF_ERROR" || body.length === 0;
  return new AttemptFailure(
    isCut
      ? `the answer broke off after ${body.length} compressed bytes`
      : `the answer cannot be decompressed as ${name}`,
    {
      code: isCut ? "API_BODY_CUT" : "API_BODY_MALFORMED",
      isRetryable: true,
      detail: isCut ? `its ${name} stream has no end` : undefined,
      cause: error,
    },
  );
}

export function tooLarge(limitBytes: number): AttemptFailure {
  return new AttemptFailure(`the answer is larger than ${limitBytes / 1_048_576} MB`, {
    code: "API_BODY_TOO_LARGE",
    isRetryable: false,
    hint: "ask for fewer records a page (pageSize of the source), or raise ingest: max_body_mb in project.yml",
  });
}
