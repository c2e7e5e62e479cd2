/** A record as it came: its text, unchanged, and what JSON.parse makes of it. */
export interface RawRecord {
  text: string;
  value: unknown;
  /** Why the text is no record at all, with its place; its value is then undefined. */
  fault?: string;
}
