import type { Client } from "../transport/client.ts";
import type { EmittedEvent } from "../sent-messages.ts";
import { checkName } from "../replay/checkpoint-names.ts";
import { encodeValue } from "../serialization.ts";
import type { UnaryCalls } from "./unary-calls.ts";

/** Emits and deletes events, waiting for the session first when it is broken. */
export class EventsClient {
  constructor(
    private readonly client: Client,
    private readonly calls: UnaryCalls,
  ) {}

  /** Repeated while the daemon is away: the second time changes nothing. */
  async emitEvent(name: string, payload: unknown): Promise<EmittedEvent> {
    checkName("the name of the event", name);
    const bytes = encodeValue(`event ${JSON.stringify(name)}`, "payload", payload);
    const { created, woken } = await this.calls.repeat(() => this.client.events.emitEvent({ name, payload: bytes }));
    return { created, woken };
  }

  /** Not repeated when its answer is lost: the second answer would be false for the first one's act. */
  async deleteEvent(name: string): Promise<boolean> {
    checkName("the name of the event", name);
    return (await this.calls.once(() => this.client.events.deleteEvent({ name }))).deleted;
  }
}
