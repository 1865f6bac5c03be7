import type { ServiceImpl } from "@connectrpc/connect";
import type { EventService } from "#proto/gen/reseolio/v1/event_service_pb.ts";
import type { Engine } from "../../engine/engine.ts";
import { deleteEvent } from "../../engine/workflows/delete-event.ts";
import { emitEvent } from "../../engine/workflows/emit-event.ts";
import { getEvent } from "../../engine/workflows/get-event.ts";
import { fromEvent } from "../messages/checkpoint-messages.ts";

/** EventService: decodes the request, calls the engine function of the same name, encodes the result. */
export function createEventService(engine: Engine): ServiceImpl<typeof EventService> {
  return {
    emitEvent: async ({ name, payload }) => {
      const { event, created, woken } = await emitEvent(engine, name, payload);
      return { event: fromEvent(event), created, woken };
    },
    deleteEvent: async ({ name }) => ({ deleted: await deleteEvent(engine, name) }),
    getEvent: async ({ name }) => {
      const { event, waiting } = await getEvent(engine, name);
      return { waiting, ...(event !== null && { event: fromEvent(event) }) };
    },
  };
}
