import { at } from "./matrix.ts";

/** Tracks with scores, the best first; ties in the order of the tracks. */
export interface Ranked {
  tracks: Int32Array;
  scores: Float32Array;
}

export const NOTHING: Ranked = { tracks: new Int32Array(0), scores: new Float32Array(0) };

/** The best `count` of the tracks that are offered, each at most once. A heap with the worst one on top. */
export class Top {
  private size = 0;
  private readonly tracks: Int32Array;
  private readonly scores: Float64Array;

  constructor(private readonly count: number) {
    this.tracks = new Int32Array(count);
    this.scores = new Float64Array(count);
  }

  /** A score that is not above it does not come in. */
  get floor(): number {
    return this.size < this.count ? Number.NEGATIVE_INFINITY : at(this.scores, 0);
  }

  offer(track: number, score: number): void {
    if (this.size < this.count) {
      this.rise(this.size++, track, score);
    } else if (isWorse(at(this.scores, 0), at(this.tracks, 0), score, track)) {
      this.sink(track, score);
    }
  }

  /** What came in, the best first; empty afterwards. */
  take(): Ranked {
    const order = Array.from({ length: this.size }, (_, place) => place).sort(
      (left, right) =>
        at(this.scores, right) - at(this.scores, left) || at(this.tracks, left) - at(this.tracks, right),
    );
    this.size = 0;
    return {
      tracks: Int32Array.from(order, (place) => at(this.tracks, place)),
      scores: Float32Array.from(order, (place) => at(this.scores, place)),
    };
  }

  private rise(from: number, track: number, score: number): void {
    let place = from;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!isWorse(score, track, at(this.scores, parent), at(this.tracks, parent))) break;
      this.move(parent, place);
      place = parent;
    }
    this.put(place, track, score);
  }

  private sink(track: number, score: number): void {
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.size) break;
      if (
        child + 1 < this.size &&
        isWorse(
          at(this.scores, child + 1),
          at(this.tracks, child + 1),
          at(this.scores, child),
          at(this.tracks, child),
        )
      )
        child++;
      if (!isWorse(at(this.scores, child), at(this.tracks, child), score, track)) break;
      this.move(child, place);
      place = child;
    }
    this.put(place, track, score);
  }

  private move(from: number, to: number): void {
    this.put(to, at(this.tracks, from), at(this.scores, from));
  }

  private put(place: number, track: number, score: number): void {
    this.tracks[place] = track;
    this.scores[place] = score;
  }
}

/** Whether the first of two tracks ranks behind the second. */
function isWorse(score: number, track: number, otherScore: number, otherTrack: number): boolean {
  return score < otherScore || (score === otherScore && track > otherTrack);
}
