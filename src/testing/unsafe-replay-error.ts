import { ReseolioError } from "../sdk/errors.ts";

/**
 * Handlers that were killed and replayed did something else than before: after a real crash so would they. What they
 * take from outside (time, chance, memory, the world) has to come from `context()` or out of a step.
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

  /** @param faults one line each */
  constructor(readonly faults: readonly string[]) {
    super("failed_precondition", `not safe to replay: ${faults.join("; ")}`);
  }
}
