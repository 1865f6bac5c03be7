import type { Client } from "../transport/client.ts";
import { checkName } from "../replay/checkpoint-names.ts";
import { encodeValue } from "../serialization.ts";
import type { UnaryCalls } from "./unary-calls.ts";

/**
 * What became of an emitted event.
 *
 * @example
 * ```ts
 * const { created, woken } = await reseolio.emitEvent("paid:1001", { cents: 4200 });
 * console.log(created ? `${woken} jobs were waiting` : "it had happened before: its first payload is kept");
 * ```
 */
export interface EmittedEvent {
  /** False when it had happened before: the payload of then is kept. */
  readonly created: boolean;
  /** Jobs that were waiting for it. */
  readonly woken: number;
}

/** Emits and deletes events, waiting for the session first when it is broken. */
export class EventsClient {
  constructor(
    private readonly client: Client,
    private readonly calls: UnaryCalls,
  ) {}

  /** Repeated while the daemon is away: the second time changes nothing. */
  async emit(name: string, payload: unknown): Promise<EmittedEvent> {
    checkName("the name of the event", name);
    const bytes = encodeValue(`event ${JSON.stringify(name)}`, "payload", payload);
    const { created, woken } = await this.calls.repeat(() => this.client.events.emitEvent({ name, payload: bytes }));
    return { created, woken };
  }

  /** Not repeated when its answer is lost: the second answer would be false for the first one's act. */
  async delete(name: string): Promise<boolean> {
    checkName("the name of the event", name);
    return (await this.calls.once(() => this.client.events.deleteEvent({ name }))).deleted;
  }
}
