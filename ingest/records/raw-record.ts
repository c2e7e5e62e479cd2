/** A record as it came: its text, unchanged, and what JSON.parse makes of it. */
export interface RawRecord {
  text: string;
  value: unknown;
  /** Its text is the one that JSON.stringify makes of its value, so that whatever the text says the value says too. */
  isCanonical?: boolean;
  /** Why the text is no record at all, with its place; its value is then undefined. */
  fault?: string;
}
