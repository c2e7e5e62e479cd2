import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SMTPServer } from "smtp-server";

/** What a mail server does with a message: takes it, refuses it with this code, never answers, or drops the connection. */
export type SmtpMood = "well" | "hangs" | "drops" | number;

export interface Mailbox {
  port: number;
  mails: { to: string[]; raw: string }[];
  mood: SmtpMood;
  stop(): Promise<void>;
}

export const USER = "ops-mailer";
export const PASSWORD = "correct horse battery";

/** A real SMTP server that asks for TLS and a password, or for neither. */
export async function startMail({
  isSecure = false,
}: {
  isSecure?: boolean;
} = {}): Promise<Mailbox & { ca: string }> {
  const { key, cert } = isSecure ? certificate() : { key: "", cert: "" };
  const box: Mailbox & { ca: string } = { port: 0, mails: [], mood: "well", ca: cert, stop: async () => {} };
  const server = new SMTPServer({
    ...(isSecure ? { key, cert } : { disabledCommands: ["STARTTLS", "AUTH"] }),
    authOptional: !isSecure,
    logger: false,
    closeTimeout: 100,
    onConnect: (_session, callback) => {
      if (box.mood !== "drops") callback();
      else callback(Object.assign(new Error("not now"), { responseCode: 421 }));
    },
    onAuth: ({ username, password }, _session, callback) => {
      if (username === USER && password === PASSWORD) callback(null, { user: username });
      else callback(new Error("wrong user or password"));
    },
    onData: (stream, { envelope }, callback) => {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        if (box.mood === "hangs") return;
        if (typeof box.mood === "number")
          return callback(Object.assign(new Error("refused"), { responseCode: box.mood }));
        const raw = Buffer.concat(chunks).toString("utf8");
        box.mails.push({ to: envelope.rcptTo.map(({ address }) => address), raw });
        callback();
      });
    },
  });
  server.on("error", () => undefined);
  const listening = server.listen(0, "127.0.0.1");
  await once(listening, "listening");
  box.port = (listening.address() as AddressInfo).port; // a TCP server's address is an object
  box.stop = () => new Promise((done) => server.close(() => done()));
  return box;
}

function certificate(): { key: string; cert: string } {
  const folder = mkdtempSync(join(tmpdir(), "sillon-cert-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  const words = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost -keyout ${key} -out ${cert}`;
  spawnSync("openssl", words.split(" "));
  const made = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
  rmSync(folder, { recursive: true });
  return made;
}

export interface HttpReceiver {
  url: string;
  posts: { headers: IncomingHttpHeaders; body: string }[];
  /** The status that is answered; null never answers. */
  status: number | null;
  stop(): Promise<void>;
}

export async function startReceiver(): Promise<HttpReceiver> {
  const receiver: HttpReceiver = { url: "", posts: [], status: 200, stop: async () => {} };
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer); // without an encoding chunks are bytes
    if (receiver.status === null) return;
    const body = Buffer.concat(chunks).toString("utf8");
    const isEmpty = request.method === "POST" && body === "{}";
    response.statusCode = isEmpty && receiver.status === 200 ? 400 : receiver.status;
    if (response.statusCode === 200 && request.method === "POST")
      receiver.posts.push({ headers: request.headers, body });
    response.end(response.statusCode === 400 ? "no_text" : "ok");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`; // as above
  receiver.stop = async () => {
    server.closeAllConnections();
    server.close();
  };
  return receiver;
}
