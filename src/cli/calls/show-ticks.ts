import type { PreviewScheduleResponse, Tick } from "#proto/gen/reseolio/v1/schedule_service_pb.ts";
import type { Client } from "../../sdk/transport/client.ts";
import { onePage } from "../terminal/one-page.ts";
import type { Output } from "../terminal/output.ts";
import { tickListing, tickRows } from "../views/tick-view.ts";

/** Number of ticks shown after a change. */
const SHOWN = 5;

/** The next ticks of a schedule that was just created or changed. */
export async function nextTicks(client: Client, name: string): Promise<PreviewScheduleResponse> {
  return client.schedules.previewSchedule({ name, count: SHOWN });
}

/** Returns the number of ticks shown. */
export function showTicks(output: Output, ticks: readonly Tick[], zone: string): Promise<number> {
  return output.list(onePage(tickRows(ticks)), tickListing(zone));
}
