import type { Answer, ListRequest, Makings } from "./answer.ts";

/**
 * The answer cut out of the text that the store has, for a user of whom nothing has been heard since; undefined where
 * more is to be done than to cut. What discover has was not played before when the lists were made.
 */
export function cutAnswer(request: ListRequest, { version, feedback }: Makings): Answer | undefined {
  const { user, shelf, k, isSeenExcluded, genre } = request;
  if (!version.isRuled) return undefined;
  if (genre !== undefined || isSeenExcluded !== (shelf === "discover")) return undefined;
  if (feedback.mayHaveOpinions(user) || feedback.isErased(user)) return undefined;
  const { snapshot } = version;
  const own = snapshot.listText(user, shelf);
  const segment = own?.segment ?? "all";
  const items = cut(own?.items ?? snapshot.fallbackText("all") ?? "", k);
  if (items === undefined) return undefined;
  // What is short on discover is filled up.
  if (own !== undefined && shelf === "discover" && items.count < k) return undefined;
  const { model_version } = snapshot.meta;
  const isFallback = own === undefined;
  const names = `"${shelf}",${model_version}`;
  const body = `{"user_id":${JSON.stringify(user)},"shelf":"${shelf}","model_version":${model_version},"fallback":${isFallback},"items":${items.text}}`;
  return {
    body,
    bytes: Buffer.byteLength(body),
    etag: snapshot.etag,
    logged: `${JSON.stringify(user)},${names},"${version.arm}",${version.propensity},${isFallback ? 1 : 0},${JSON.stringify(segment)},${JSON.stringify(items.ids)}]`,
    user,
  };
}

const START = '[{"rank":1,"track_id":"';

/** The first items of a list as it was written. A quote inside of a text is escaped, so that no text looks like a border. */
function cut(text: string, k: number): { text: string; ids: string[]; count: number } | undefined {
  if (!text.startsWith(START)) return undefined;
  const end = text.indexOf(`},{"rank":${k + 1},`);
  const head = end < 0 ? text : `${text.slice(0, end)}}]`;
  const ids = (JSON.parse(head) as { track_id: string }[]).map(({ track_id }) => track_id); // checked when it was opened
  return { text: head, ids, count: ids.length };
}
