import { checkName } from "../replay/checkpoint-names.ts";
import type { EmittedEvent } from "../sent-messages.ts";
import { encodeValue } from "../serialization.ts";
import type { Client } from "../transport/client.ts";
import type { UnaryCalls } from "./unary-calls.ts";

/** Emits and deletes events. While the session is broken, calls wait for it. */
export class EventsClient {
  readonly #client: Client;
  readonly #calls: UnaryCalls;

  constructor(client: Client, calls: UnaryCalls) {
    this.#client = client;
    this.#calls = calls;
  }

  /** Retried while the daemon is away: emitting an event again changes nothing. */
  async emitEvent(name: string, payload: unknown): Promise<EmittedEvent> {
    checkName("the name of the event", name);
    const bytes = encodeValue(`event ${JSON.stringify(name)}`, "payload", payload);
    const { created, woken } = await this.#calls.repeat(() => this.#client.events.emitEvent({ name, payload: bytes }));
    return { created, woken };
  }

  /**
   * Not retried when the answer is lost: the second answer would be false although the first call deleted the event.
   */
  async deleteEvent(name: string): Promise<boolean> {
    checkName("the name of the event", name);
    return (await this.#calls.once(() => this.#client.events.deleteEvent({ name }))).deleted;
  }
}
