import type { Answer } from "./answer.ts";

/** Answers by request, those that are asked for the most; at most twice `bytes` of them. */
export interface AnswerCache {
  get(request: string): Answer | undefined;
  set(request: string, answer: Answer): void;
  /** Forgets all answers of a user. */
  forget(user: string): void;
  clear(): void;
}

/** Two generations: what is asked for again moves to the young one, and when that is full the old one goes. */
export function createAnswerCache(bytes: number): AnswerCache {
  let young = new Map<string, Answer>();
  let old = new Map<string, Answer>();
  let size = 0;
  let keys = new Map<string, string[]>();
  let oldKeys = new Map<string, string[]>();
  const put = (request: string, answer: Answer) => {
    if (size > bytes) {
      [old, young, size] = [young, new Map(), 0];
      [oldKeys, keys] = [keys, new Map()];
    }
    young.set(request, answer);
    const own = keys.get(answer.user);
    if (own === undefined) keys.set(answer.user, [request]);
    else if (!own.includes(request)) own.push(request);
    size += answer.bytes + 2 * request.length + answer.logged.length + OVERHEAD;
  };
  return {
    get: (request) => {
      const found = young.get(request);
      if (found !== undefined) return found;
      const former = old.get(request);
      if (former === undefined) return undefined;
      put(request, former);
      return former;
    },
    set: put,
    forget: (user) => {
      for (const key of keys.get(user) ?? []) young.delete(key);
      for (const key of oldKeys.get(user) ?? []) old.delete(key);
      keys.delete(user);
      oldKeys.delete(user);
    },
    clear: () => {
      [young, old, size] = [new Map(), new Map(), 0];
      [keys, oldKeys] = [new Map(), new Map()];
    },
  };
}

/** Of an entry, by and large. */
const OVERHEAD = 500;
