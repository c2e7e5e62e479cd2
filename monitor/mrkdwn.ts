/** What would be markup at the edge of a word; inside of one it is none, and names can be copied. */
const MARKS = /(?<![\p{L}\p{N}_])[*_~]+|[*_~]+(?![\p{L}\p{N}_])|`/gu;

/**
 * A text as Slack's mrkdwn shows it as it is: the three characters that it knows are written in its way, and a zero-width
 * space keeps others from being markup. https://docs.slack.dev/messaging/formatting-message-text#escaping
 */
export function escapeMrkdwn(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replace(MARKS, "\u200b$&\u200b");
}
