import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import {
  commandAnswer,
  createMessageReader,
  createRowCounter,
  errorAnswer,
  type Message,
  noRowsAnswer,
  ready,
  rowAnswer,
  welcome,
} from "./messages.ts";

/** A connection to a server, let in and inside a transaction that only reads, that the engine may read from. */
export interface LentConnection {
  stream: Duplex;
  /** Bytes that came, and the rows among them. Throws to end the reading. */
  onData(came: { bytes: number; rows: number; longest: number }): void;
  /** Ends a connection whose server keeps silent for so long while it is waited for. */
  silenceMs: number;
  onSilence(): void;
}

/** Databases, by their names for SQL, that are nothing but doors: each leads to the connection that is lent to it. */
export interface PostgresDoors {
  readonly count: number;
  /** Waits for as many free doors, at most `count`, and calls `work` with the name of each. */
  lend<T>(connections: readonly LentConnection[], work: (names: string[]) => Promise<T>): Promise<T>;
}

interface Door {
  name: string;
  lent: LentConnection | undefined;
}

/** What DuckDB's extension asks by itself, and hears without any server being asked: there are no tables here. */
function ownAnswer(statement: string): Buffer {
  if (statement.startsWith("SELECT version()")) return rowAnswer(["PostgreSQL 15.0", "0"]);
  if (statement === "SELECT 1") return rowAnswer(["1"]);
  if (statement.startsWith("SELECT to_regclass")) return rowAnswer([null]);
  if (statement.startsWith("SELECT")) return noRowsAnswer();
  const [command = ""] = statement.split(" ");
  return commandAnswer(command);
}

/** The state of a connection after statements. */
function stateAfter(statements: readonly string[], before: "I" | "T"): "I" | "T" {
  if (statements.some((one) => one.startsWith("BEGIN"))) return "T";
  return statements.some((one) => /^(COMMIT|ROLLBACK)/.test(one)) ? "I" : before;
}

export interface DoorsPlace extends PostgresDoors {
  /** Statements that make the doors known to DuckDB. */
  readonly attachments: readonly string[];
  close(): void;
}

/**
 * Sockets in a folder that only this user can enter. DuckDB's extension sees servers there; how to get into the real
 * ones, and what for, is decided by those who lend connections, so that neither a password nor an address passes SQL.
 */
export async function openDoors(count: number): Promise<DoorsPlace> {
  const folder = mkdtempSync(join(tmpdir(), "sillon-"));
  const doors: Door[] = Array.from({ length: count }, (_, index) => ({
    name: `_sillon_postgres_${index + 1}`,
    lent: undefined,
  }));
  const sockets = new Set<Socket>();
  const waiting: (() => void)[] = [];
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    serve(socket, (database) => doors.find(({ name }) => name === database));
  });
  await listen(server, join(folder, ".s.PGSQL.5432"));
  server.unref();
  return {
    count,
    attachments: doors.map(
      ({ name }) =>
        `attach 'host=${folder} port=5432 user=sillon dbname=${name}' as ${name} (type postgres, read_only)`,
    ),
    lend: async (connections, work) => {
      const free = () => doors.filter(({ lent }) => lent === undefined);
      while (free().length < connections.length)
        await new Promise<void>((resolve) => {
          waiting.push(resolve);
        });
      const taken = free().slice(0, connections.length);
      for (const [index, door] of taken.entries()) door.lent = connections[index];
      try {
        return await work(taken.map(({ name }) => name));
      } finally {
        for (const door of taken) door.lent = undefined;
        for (const resume of waiting.splice(0)) resume();
      }
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, () => resolve());
  });
}

/** A connection of the engine to a door. */
function serve(socket: Socket, doorOf: (database: string) => Door | undefined): void {
  const read = createMessageReader();
  let door: Door | undefined;
  let through: { from: LentConnection; end(): void } | undefined;
  const leave = () => {
    through?.end();
    through = undefined;
  };
  let state: "I" | "T" = "I";
  const answer = (message: Message) => {
    const text = message.letter === "Q" ? message.body.subarray(0, -1).toString() : "";
    if (message.letter === "Q" && !text.startsWith("COPY")) {
      leave();
      const statements = text
        .split(";")
        .map((one) => one.trim())
        .filter(Boolean);
      state = stateAfter(statements, state);
      socket.write(Buffer.concat([...statements.map(ownAnswer), ready(state)]));
    } else if (door?.lent !== undefined) {
      if (through?.from !== door.lent) {
        leave();
        through = { from: door.lent, end: passOn(socket, door.lent) };
      }
      door.lent.stream.write(message.bytes);
    } else if (message.letter === "Q" || message.letter === "S") {
      socket.write(Buffer.concat([errorAnswer("no connection is lent to this door"), ready("I")]));
    }
  };
  socket.on("error", () => {});
  socket.on("close", leave);
  socket.on("data", (chunk) => {
    for (const message of read(chunk)) {
      if (message.letter === "X") socket.end();
      else if (message.letter !== "") answer(message);
      else {
        const [name] = startupOf(message.body);
        if (name === undefined) socket.write("N");
        else {
          door = doorOf(name);
          socket.write(welcome());
        }
      }
    }
  });
}

/** The database that is asked for; nothing when it is a question for encryption. */
function startupOf(body: Buffer): string[] {
  const words = body.subarray(4).toString().split("\0");
  const place = words.indexOf("database");
  return place < 0 ? [] : words.slice(place + 1, place + 2);
}

/** What the server says goes to the engine, as fast as that takes it. Returns what ends this. */
function passOn(socket: Socket, { stream, onData, silenceMs, onSilence }: LentConnection): () => void {
  const counter = createRowCounter();
  let [rows, isPaused] = [0, false];
  let lastMs = performance.now();
  const onChunk = (chunk: Buffer) => {
    lastMs = performance.now();
    counter.count(chunk);
    try {
      onData({ bytes: chunk.length, rows: counter.rows - rows, longest: counter.longest });
    } catch {
      socket.destroy();
      return;
    }
    rows = counter.rows;
    if (socket.write(chunk)) return;
    isPaused = true;
    stream.pause();
  };
  const onDrain = () => {
    lastMs = performance.now();
    isPaused = false;
    stream.resume();
  };
  const onEnd = () => socket.destroy();
  const watch = setInterval(
    () => {
      if (isPaused || counter.isIdle() || performance.now() - lastMs < silenceMs) return;
      onSilence();
      socket.destroy();
    },
    Math.min(1000, silenceMs),
  );
  stream.on("data", onChunk);
  stream.on("close", onEnd);
  stream.on("end", onEnd);
  socket.on("drain", onDrain);
  stream.resume();
  return () => {
    clearInterval(watch);
    stream.off("data", onChunk);
    stream.off("close", onEnd);
    stream.off("end", onEnd);
    socket.off("drain", onDrain);
  };
}
