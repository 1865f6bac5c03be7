import { NOT_ALONE, OF_WAIT } from "../../rows/record-order.ts";
import type { Row } from "../connection/rows.ts";

/**
 * Ends the waits in `over`: job_id, name, payload, lease_token and error of each. The token is that of the job as it is
 * held, which may be newer than what the statement sees of it otherwise. A job that went on since it was parked for the
 * wait gives it a place later.
 */
export const END = `update reseolio.checkpoints as wait
  set recorded_at = (select reseolio.now_ms()), value = over.payload, lease_token = over.lease_token,
    timed_out = wait.kind not in (1, 5) and over.payload is null,
    place = case when wait.gate is null or wait.lease_token = over.lease_token then wait.place else 0 end,
    gate = case when wait.gate is null or wait.lease_token = over.lease_token then wait.gate
      else (wait.gate & ${OF_WAIT}) | ${NOT_ALONE} end,
    error = case when wait.gate is not null then over.error end
  from over
  where wait.job_id = over.job_id and wait.name = over.name and wait.recorded_at is null
  returning wait.job_id, wait.wakes, wait.event_name`;

/** From rows that END returned: jobs that wake if they are parked. */
export function wakingIds(rows: readonly Row[]): readonly string[] {
  return rows.filter((row) => row[1] === true).map((row) => row[0] as string);
}
