/** A record as it came: its text, unchanged, and what JSON.parse makes of it. */
export interface RawRecord {
  text: string;
  value: unknown;
}
