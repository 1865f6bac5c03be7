import { ReseolioError } from "../sdk/errors.ts";

/**
 * A handler behaved differently when it was crashed and replayed, as it would after a real crash. Everything that it
 * takes from outside (time, randomness, memory, other systems) must come from `context()` or from a step.
 *
 * @example
 * ```ts
 * const world = await createTestWorld({ replayEveryCheckpoint: true });
 * const roll = world.client.durable("demo:roll", () => Math.random());
 * await roll();
 * await world.settled().catch((error: unknown) => {
 *   if (error instanceof UnsafeReplayError) console.log(error.faults);
 * });
 * ```
 */
export class UnsafeReplayError extends ReseolioError {
  override readonly name = "UnsafeReplayError";

  /** @param faults one line per difference */
  constructor(readonly faults: readonly string[]) {
    super("failed_precondition", `not safe to replay: ${faults.join("; ")}`);
  }
}
