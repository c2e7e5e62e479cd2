import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";

/** What becomes of one answer: counted are the bytes that the server sends after the client has asked for something. */
export type WireFault =
  | { kind: "delay"; ms: number }
  /** Nothing more comes after so many bytes. */
  | { kind: "stall"; bytes: number }
  /** The connection is closed after so many bytes, as if the server had done so. */
  | { kind: "cut"; bytes: number }
  | { kind: "reset"; bytes: number }
  /** One byte at a time after so many. */
  | { kind: "drip"; bytes: number; everyMs: number };

export interface Turn {
  /** Of the connection, from 1 on. */
  connection: number;
  /** The how many-th time that its client asks for something, from 1 on. */
  nth: number;
}

/** A TCP proxy on a free loopback port: for HTTP, a database's protocol, whatever asks and is answered. */
export interface FaultProxy {
  port: number;
  connections: number;
  turns: number;
  /** Faults that have struck. */
  struck: number;
  stop(): Promise<void>;
}

/** `choose` says for each turn what becomes of its answer; undefined: it passes. */
export async function startProxy(
  target: { host?: string; port: number },
  choose: (turn: Turn) => WireFault | undefined,
): Promise<FaultProxy> {
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(target.port, target.host ?? "127.0.0.1");
    for (const socket of [client, upstream]) sockets.add(socket.on("error", () => {}));
    proxy.connections++;
    relay(proxy, { client, upstream, choose, connection: proxy.connections });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port, // a TCP server's address is an object
    connections: 0,
    turns: 0,
    struck: 0,
    stop: async () => {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
  return proxy;
}

interface Wire {
  client: Socket;
  upstream: Socket;
  connection: number;
  choose: (turn: Turn) => WireFault | undefined;
}

function relay(proxy: FaultProxy, { client, upstream, connection, choose }: Wire): void {
  let [nth, isAnswering, sent] = [0, true, 0];
  let fault: WireFault | undefined;
  const beginTurn = () => {
    nth++;
    proxy.turns++;
    [isAnswering, sent] = [false, 0];
    fault = choose({ connection, nth });
  };
  client.on("data", (data) => {
    if (isAnswering) beginTurn();
    upstream.write(data);
  });
  client.on("close", () => upstream.destroy());
  // In order: what waits holds back what comes after it.
  let way: Promise<void> = Promise.resolve();
  upstream.on("data", (data) => {
    if (!isAnswering && fault !== undefined) proxy.struck++;
    isAnswering = true;
    const [from, current] = [sent, fault];
    sent += data.length;
    way = way.then(() => send({ client, upstream }, data, { from, fault: current }));
  });
  upstream.on("end", () => {
    way = way.then(() => void client.end());
  });
  upstream.on("error", () => client.destroy());
}

async function send(
  { client, upstream }: Pick<Wire, "client" | "upstream">,
  data: Buffer,
  { from, fault }: { from: number; fault: WireFault | undefined },
): Promise<void> {
  if (fault === undefined) return void client.write(data);
  if (fault.kind === "delay") {
    if (from === 0) await delay(fault.ms);
    return void client.write(data);
  }
  const whole = data.subarray(0, Math.max(0, fault.bytes - from));
  if (whole.length > 0) await new Promise<void>((resolve) => client.write(whole, () => resolve()));
  if (whole.length === data.length && from + data.length < fault.bytes) return;
  if (fault.kind === "drip") {
    for (const byte of data.subarray(whole.length)) {
      if (client.destroyed) return;
      client.write(Buffer.of(byte));
      await delay(fault.everyMs);
    }
    return;
  }
  if (fault.kind === "stall") return new Promise<void>((resolve) => client.once("close", () => resolve()));
  if (fault.kind === "reset") client.resetAndDestroy();
  else client.destroySoon();
  upstream.destroy();
}
