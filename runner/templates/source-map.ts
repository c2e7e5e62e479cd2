/** Places in a text, counted as people do: lines and columns from 1. */
export interface TextPlaces {
  offsetOf(line: number, column: number): number;
  /** `line:column`. */
  placeOf(offset: number): string;
}

export function textPlaces(text: string): TextPlaces {
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  return {
    offsetOf: (line, column) => Math.min((starts[line - 1] ?? text.length) + column - 1, text.length),
    placeOf: (offset) => {
      const at = Math.max(0, Math.min(offset, text.length));
      const line = starts.findLastIndex((start) => start <= at);
      return `${line + 1}:${at - (starts[line] ?? 0) + 1}`;
    },
  };
}

interface Segment {
  from: number;
  to: number;
  /** Whether the text from here on is the same on both sides; otherwise all of it stems from one place. */
  isVerbatim: boolean;
  /** Another text than the usual one that `to` counts in: the name of a macro. */
  origin?: string | undefined;
}

/** Carries places of a derived text back to the text it was made from. */
export class SourceMap {
  private readonly segments: Segment[] = [];

  /** Segments are added from left to right. */
  add(segment: Segment): void {
    this.segments.push(segment);
  }

  toSource(offset: number): number {
    return this.originOf(offset).offset;
  }

  originOf(offset: number): { offset: number; origin?: string | undefined } {
    const segment = this.segments.findLast((candidate) => candidate.from <= offset);
    if (segment === undefined) return { offset };
    const at = segment.isVerbatim ? segment.to + (offset - segment.from) : segment.to;
    return { offset: at, origin: segment.origin };
  }

  /** The last place before `offset` that lies in the usual text. */
  usualBefore(offset: number): number | undefined {
    return this.segments.findLast(({ from, origin }) => from <= offset && origin === undefined)?.to;
  }
}
