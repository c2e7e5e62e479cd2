import type { Dispatcher } from "undici";

/** Of an answer; several of one name are joined. */
export interface AnswerHeaders {
  /** The name in small letters. */
  get(name: string): string | null;
}

export interface Received {
  status: number;
  headers: AnswerHeaders;
  /** As it was sent. */
  body: Buffer;
}

export interface ReceiveOptions {
  dispatcher: Dispatcher;
  /** Ends the exchange with its reason. */
  signal: AbortSignal;
  /** Called for the head of the answer and each piece of its body; what it throws ends the exchange. */
  onBytes(count: number, headers: AnswerHeaders): void;
}

/**
 * Sends a request of fetch straight through the dispatcher, follows no redirect and collects the body as it was sent:
 * the standard fetch takes a compressed body that breaks off for a whole one, and its streams cost more than the
 * request. Rejects with what broke the exchange.
 */
export async function receive(request: Request, options: ReceiveOptions): Promise<Received> {
  const { dispatcher, signal, onBytes } = options;
  const { origin, pathname, search } = new URL(request.url);
  const headers = Object.fromEntries(request.headers);
  const body = request.body === null ? null : Buffer.from(await request.arrayBuffer());
  const method = request.method as Dispatcher.HttpMethod;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    let abort: ((reason: Error) => void) | undefined;
    const onAbort = () => {
      abort?.(signal.reason);
      reject(signal.reason);
    };
    signal.addEventListener("abort", onAbort, { once: true });
    const chunks: Buffer[] = [];
    let head: Omit<Received, "body"> = { status: 0, headers: headersOf({}) };
    const note = (controller: Dispatcher.DispatchController, count: number) => {
      try {
        onBytes(count, head.headers);
      } catch (error) {
        reject(error);
        controller.abort(error as Error);
      }
    };
    dispatcher.dispatch(
      { origin, path: `${pathname}${search}`, method, headers, body, headersTimeout: 0, bodyTimeout: 0 },
      {
        onRequestStart: (controller) => {
          abort = (reason) => controller.abort(reason);
          if (signal.aborted) abort(signal.reason);
        },
        onResponseStart: (controller, status, received) => {
          if (status < 200) return;
          head = { status, headers: headersOf(received) };
          note(controller, 0);
        },
        onResponseData: (controller, chunk) => {
          chunks.push(chunk);
          note(controller, chunk.length);
        },
        onResponseEnd: () => {
          signal.removeEventListener("abort", onAbort);
          const [first] = chunks;
          resolve({ ...head, body: chunks.length === 1 && first ? first : Buffer.concat(chunks) });
        },
        onResponseError: (_controller, error) => {
          signal.removeEventListener("abort", onAbort);
          reject(error);
        },
      },
    );
  });
}

function headersOf(received: Record<string, string | string[] | undefined>): AnswerHeaders {
  return {
    get: (name) => {
      const value = received[name];
      return value === undefined ? null : Array.isArray(value) ? value.join(", ") : value;
    },
  };
}
