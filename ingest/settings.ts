import { z } from "zod";

const seconds = (fallback: number) => z.number().positive().default(fallback);
/** `cdn.example.com`, `10.0.0.5:8080`, `[::1]`, `*.example.com` or `*`. */
const allowedHost = z
  .string()
  .regex(
    /^(\*|(\*\.)?[\w-]+(\.[\w-]+)*(:\d+)?|\[[\da-f:.]+\](:\d+)?)$/i,
    "expected a host such as cdn.example.com, 10.0.0.5:8080 or *.example.com",
  );
const count = (fallback: number) => z.number().int().positive().default(fallback);

/** The `ingest:` map of project.yml. */
export const ingestSettings = z
  .strictObject({
    concurrency: count(8),
    requests_per_second: z.number().positive().nullable().default(null),
    timeout_seconds: seconds(60),
    idle_timeout_seconds: seconds(15),
    max_retry_after_seconds: seconds(300),
    max_attempts: count(6),
    backoff_seconds: seconds(0.5),
    max_body_mb: seconds(64),
    max_pages: count(100_000),
    allowed_hosts: z.array(allowedHost).default([]),
    commit_records: count(50_000),
    allowed_folders: z.array(z.string()).default([]),
  })
  .transform((map) => ({
    /** Requests at once to one host. */
    concurrency: map.concurrency,
    /** To one host, of all streams together; null: as many as there are. */
    requestsPerSecond: map.requests_per_second,
    /** For a whole exchange, from the request to the last byte of the body. */
    requestTimeoutMs: map.timeout_seconds * 1000,
    /** Without a byte. */
    idleTimeoutMs: map.idle_timeout_seconds * 1000,
    /** The longest wait that a server may ask for. */
    maxRetryAfterMs: map.max_retry_after_seconds * 1000,
    /** Of one request, the first included. */
    maxAttempts: map.max_attempts,
    /** Before the second attempt; doubled for each further one. */
    backoffBaseMs: map.backoff_seconds * 1000,
    maxBodyBytes: map.max_body_mb * 1_048_576,
    maxPages: map.max_pages,
    /** Hosts other than a source's own that requests may go to. */
    allowedHosts: map.allowed_hosts,
    /** Records after which a stream whose cursor is ordered commits a part. */
    commitRecords: map.commit_records,
    /** Outside the project, from which files may be read. */
    allowedFolders: map.allowed_folders,
  }));

export type IngestSettings = z.output<typeof ingestSettings>;
