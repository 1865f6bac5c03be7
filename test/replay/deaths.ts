/** Where handlers of a run die: at the points at which the SDK lets a test world kill them. */
import { randomFrom } from "../support/seeded-random.ts";

export type Deaths =
  | { readonly kind: "none" }
  /** Once, after this. */
  | { readonly kind: "at"; readonly point: string }
  /** Once after each point. */
  | { readonly kind: "each" }
  /** Of the process, anywhere. */
  | { readonly kind: "kill -9" }
  /** After some, by chance. */
  | { readonly kind: "some"; readonly seed: number; readonly share: number };

/** When the handler has returned. */
export const AT_END = "end";

export function describeDeaths(deaths: Deaths): string {
  switch (deaths.kind) {
    case "none":
      return "no death";
    case "at":
      return `a death after ${JSON.stringify(deaths.point)}`;
    case "each":
      return "a death after each point";
    case "kill -9":
      return "a process that was killed again and again";
    case "some":
      return `deaths by chance (${deaths.share}, seed ${deaths.seed})`;
  }
}

/** The deaths of one job. */
export class DeathList {
  /** Every point that was passed. */
  readonly points = new Set<string>();
  readonly #chance: () => number;

  constructor(private readonly deaths: Deaths) {
    const random = randomFrom(deaths.kind === "some" ? deaths.seed : 0);
    this.#chance = () => random.next();
  }

  /** Whether it dies here; at most once at each point. */
  diesAt(point: string): boolean {
    if (this.points.has(point)) return false;
    this.points.add(point);
    switch (this.deaths.kind) {
      case "none":
      case "kill -9":
        return false;
      case "at":
        return this.deaths.point === point;
      case "each":
        return true;
      case "some":
        return this.#chance() < this.deaths.share;
    }
  }
}
