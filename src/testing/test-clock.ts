import { timestampDate, timestampFromDate } from "@bufbuild/protobuf/wkt";
import { type Client as ServiceClient, createClient as createServiceClient } from "@connectrpc/connect";
import { type MoveClockResponse, TestingService } from "#proto/gen/reseolio/v1/testing_service_pb.ts";
import { ReseolioError } from "../sdk/errors.ts";
import { type Client, createClient } from "../sdk/transport/client.ts";
import { reseolioErrorFrom } from "../sdk/transport/connect-errors.ts";

/** How much longer than the daemon's own wait a call may take. */
const CALL_MARGIN_MS = 10_000;

/** The clock of a test world: it belongs to the daemon and is moved only from here. */
export class TestClock {
  readonly #client: Client;
  readonly #service: ServiceClient<typeof TestingService>;
  readonly #settleTimeoutMs: number;
  #now: number;

  constructor(options: { readonly address: string; readonly now: Date; readonly settleTimeoutMs: number }) {
    this.#client = createClient({ address: options.address });
    this.#service = createServiceClient(TestingService, this.#client.transport);
    this.#settleTimeoutMs = options.settleTimeoutMs;
    this.#now = options.now.getTime();
  }

  /** Milliseconds since the epoch. */
  now(): number {
    return this.#now;
  }

  /**
   * Moves from one due time to the next, so that everything happens at its own time, and waits at each until the
   * workers are idle. Ends at `to`, or where it is if that has passed.
   *
   * @throws ReseolioError `failed_precondition` that names the jobs when some still run after the wait
   */
  async moveTo(to: number): Promise<void> {
    let dueAt = await this.#step(this.#now);
    while (this.#now < to) {
      // Something that stays due must not stop the clock.
      const next = dueAt > this.#now ? Math.min(dueAt, to) : to;
      dueAt = await this.#step(next);
    }
  }

  close(): void {
    this.#client.close();
  }

  /** Returns the time at which something is due next; Infinity if nothing is. */
  async #step(to: number): Promise<number> {
    this.#now = to;
    const response = await this.#call(to);
    const { nextDueAt } = response;
    if (response.busy.length === 0) return nextDueAt === undefined ? Infinity : timestampDate(nextDueAt).getTime();
    const names = response.busy.map(({ functionName, jobId }) => `${functionName} (job ${jobId})`);
    throw new ReseolioError(
      "failed_precondition",
      `time stopped at ${new Date(to).toISOString()}, because handlers are still running ` +
        `after ${this.#settleTimeoutMs} ms: ${names.join(", ")}. ` +
        `They are waiting for something that is not durable, or settleTimeoutMs is too short for them`,
    );
  }

  async #call(to: number): Promise<MoveClockResponse> {
    const waitMs = this.#settleTimeoutMs;
    try {
      const request = { to: timestampFromDate(new Date(to)), waitMs };
      return await this.#service.moveClock(request, { timeoutMs: waitMs + CALL_MARGIN_MS });
    } catch (error) {
      throw reseolioErrorFrom(error);
    }
  }
}
