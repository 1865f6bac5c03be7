/** P3, P4, P6, P8 on PostgreSQL with three daemons: one job a key, one lease a job, and clocks that are wrong. */
import { playKeys } from "./cluster/play-keys.ts";
import { playLoad } from "./cluster/play-load.ts";
import { hasFaketime, playSkew } from "./cluster/play-skew.ts";
import { type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const DAEMONS = 3;
const WORKERS = 8;
const JOBS = 20_000;
const CALLERS = 100;
const KEYS = 50;
const WITHIN_MS = 300_000;

export async function soakCluster(context: SoakContext): Promise<readonly Verdict[]> {
  const command = [context.executable];
  const { directory, progress } = context;
  progress(`cluster: ${CALLERS} callers with ${KEYS} keys while daemons die`);
  const keys = await playKeys({ command, daemons: DAEMONS, callers: CALLERS, keys: KEYS });
  progress(`cluster: ${JOBS} jobs on ${WORKERS} workers of ${DAEMONS} daemons`);
  const load = await playLoad({
    ...{ command, directory, daemons: DAEMONS, workers: WORKERS, jobs: JOBS, killsDaemon: true },
    withinMs: WITHIN_MS,
  });
  return [
    verdictOf(
      "P3 one job a key over daemons that die",
      `${keys.calls} calls of ${CALLERS} callers, ${keys.kills} of ${DAEMONS} daemons killed, ${keys.toldAsNew} answered as new`,
      keys.faults,
    ),
    verdictOf(
      "P4 each job is run once, by one lease at a time, over daemons of which one dies",
      `${load.executions} executions on ${WORKERS} workers (${load.perWorker.join(", ")}), ${load.jobsPerSecond} jobs/s`,
      load.faults,
    ),
    await soakSkew(context),
  ];
}

async function soakSkew({ executable, directory, progress }: SoakContext): Promise<Verdict> {
  const title =
    "P4 P6 P8 P9 a daemon's clock that is an hour wrong loses and stretches no lease, and starts no job early";
  if (!hasFaketime()) {
    return {
      title,
      outcome: "skipped",
      detail: "faketime is not here; on Debian: apt-get install faketime",
      faults: [],
    };
  }
  progress("cluster: one daemon an hour ahead, one an hour behind");
  const { faults, jobs, takeoversMs } = await playSkew([executable], directory);
  const detail = `${jobs} jobs; a stopped worker's job was free after ${takeoversMs.join(", ")} ms with leases of 2000 ms`;
  return verdictOf(title, detail, faults);
}
