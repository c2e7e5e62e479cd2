// Messages of PostgreSQL's protocol, version 3: a letter, a length that counts itself, a body.

/** A message of the engine. The first of a connection has no letter. */
export interface Message {
  letter: string;
  body: Buffer;
  /** All of it, as it came. */
  bytes: Buffer;
}

const HEAD_BYTES = 5;

/** Cuts what comes into messages; what is not whole waits for the rest. */
export function createMessageReader(): (chunk: Buffer) => Message[] {
  let waiting = Buffer.alloc(0);
  let isBegun = false;
  return (chunk) => {
    waiting = Buffer.concat([waiting, chunk]);
    const messages: Message[] = [];
    for (;;) {
      const head = isBegun ? 1 : 0;
      if (waiting.length < head + 4) return messages;
      const length = head + waiting.readInt32BE(head);
      if (waiting.length < length) return messages;
      const bytes = waiting.subarray(0, length);
      const body = bytes.subarray(head + 4);
      const letter = isBegun ? String.fromCharCode(bytes[0] ?? 0) : "";
      // Questions for encryption come before the first message, and look like it.
      if (!isBegun) isBegun = body.readInt32BE(0) === VERSION_3;
      messages.push({ letter, body, bytes });
      waiting = waiting.subarray(length);
    }
  };
}

const VERSION_3 = 196_608;

/** What a server counts of its answer: each row of COPY is a message of its own. */
export interface RowCounter {
  count(chunk: Buffer): void;
  rows: number;
  /** The longest message, in bytes, whether it has all come or not. */
  longest: number;
  /** The server waits for the next statement. */
  isIdle(): boolean;
}

export function createRowCounter(): RowCounter {
  let left = 0;
  let head = Buffer.alloc(0);
  let letter = 0;
  const counter: RowCounter = {
    rows: 0,
    longest: 0,
    isIdle: () => letter === READY && left === 0,
    count: (chunk) => {
      let place = 0;
      if (head.length > 0) {
        const missing = HEAD_BYTES - head.length;
        head = Buffer.concat([head, chunk.subarray(0, missing)]);
        place = Math.min(missing, chunk.length);
        if (head.length < HEAD_BYTES) return;
        left = begin(head, 0);
        head = Buffer.alloc(0);
      }
      for (;;) {
        const taken = Math.min(left, chunk.length - place);
        left -= taken;
        place += taken;
        if (place >= chunk.length) return;
        if (chunk.length - place < HEAD_BYTES) {
          head = Buffer.from(chunk.subarray(place));
          return;
        }
        left = begin(chunk, place);
        place += HEAD_BYTES;
      }
    },
  };
  const begin = (bytes: Buffer, place: number) => {
    const length = bytes.readInt32BE(place + 1);
    letter = bytes[place] ?? 0;
    if (letter === COPY_DATA) counter.rows += 1;
    if (length > counter.longest) counter.longest = length;
    return length - 4;
  };
  return counter;
}

const COPY_DATA = "d".charCodeAt(0);
const READY = "Z".charCodeAt(0);

export function message(letter: string, ...parts: readonly (string | Buffer)[]): Buffer {
  const body = Buffer.concat(
    parts.map((part) => (typeof part === "string" ? Buffer.from(`${part}\0`) : part)),
  );
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(letter, 0, "latin1");
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

const int16 = (value: number) => {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
};

const int32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

export const ready = (state: "I" | "T") => message("Z", Buffer.from(state));

/** A server that lets everyone in. */
export const welcome = () =>
  Buffer.concat([
    message("R", int32(0)),
    ...Object.entries(PARAMETERS).map(([name, value]) => message("S", name, value)),
    message("K", int32(0), int32(0)),
    ready("I"),
  ]);

const PARAMETERS = {
  server_version: "15.0",
  server_encoding: "UTF8",
  client_encoding: "UTF8",
  integer_datetimes: "on",
  standard_conforming_strings: "on",
};

const TEXT_OID = 25;

/** One row of texts, and the end of the statement. */
export function rowAnswer(values: readonly (string | null)[]): Buffer {
  const columns = values.map((_, index) =>
    Buffer.concat([
      Buffer.from(`c${index}\0`),
      int32(0),
      int16(0),
      int32(TEXT_OID),
      int16(-1),
      int32(-1),
      int16(0),
    ]),
  );
  const cells = values.map((value) =>
    value === null ? int32(-1) : Buffer.concat([int32(Buffer.byteLength(value)), Buffer.from(value)]),
  );
  return Buffer.concat([
    message("T", int16(values.length), ...columns),
    message("D", int16(values.length), ...cells),
    message("C", "SELECT 1"),
  ]);
}

export const noRowsAnswer = () => Buffer.concat([message("T", int16(0)), message("C", "SELECT 0")]);

export const commandAnswer = (tag: string) => message("C", tag);

export const errorAnswer = (text: string) =>
  message("E", Buffer.from(`SERROR\0VERROR\0C55000\0M${text}\0\0`));
