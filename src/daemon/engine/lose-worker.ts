import { decide } from "../core/job-machine.ts";
import type { Engine } from "./engine.ts";

/**
 * Takes back all leases of a worker that is gone, in one commit with its record: its jobs are claimable again, the
 * attempts count as losses, and whatever it still reports is stale. Returns how many leases it held.
 */
export async function loseWorker(engine: Engine, workerId: string): Promise<number> {
  const session = engine.dispatcher.findSession(workerId);
  if (session !== null) {
    engine.dispatcher.removeSession(session);
    session.port.end();
  }
  return engine.lane.run(async (lane) => {
    const jobs = await lane.tx.listLeasedJobs(workerId);
    const transitions = jobs
      .map((job) => decide(job, { kind: "lose" }, engine.settings, 0))
      .filter((transition) => transition !== null);
    if (transitions.length > 0) await lane.apply(transitions);
    await lane.tx.removeWorker(workerId);
    return transitions.length;
  });
}
