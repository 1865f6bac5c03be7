/**
 * What clients tried and what was acknowledged to them, one line each, written before the call and after its answer. A
 * process that is killed may leave half a line: it does not count.
 */

/** `t CLIENT NUMBER` */
export function triedLine(client: string, number: number): string {
  return `t ${client} ${number}\n`;
}

/** `a CLIENT NUMBER JOB_ID` */
export function acknowledgedLine(client: string, number: number, jobId: string): string {
  return `a ${client} ${number} ${jobId}\n`;
}

/** A log as it was found. */
export interface EnqueueLog {
  /** `CLIENT NUMBER` of each call that was begun. */
  readonly tried: ReadonlySet<string>;
  /** The job that each call was answered with. */
  readonly acknowledged: ReadonlyMap<string, string>;
}

/** Half a line at the end is left out. */
export function readEnqueueLog(text: string): EnqueueLog {
  const tried = new Set<string>();
  const acknowledged = new Map<string, string>();
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  for (const line of whole.split("\n")) {
    const [kind, client, number, jobId] = line.split(" ");
    if (kind === "t") tried.add(`${client} ${number}`);
    if (kind === "a" && jobId !== undefined) acknowledged.set(`${client} ${number}`, jobId);
  }
  return { tried, acknowledged };
}

/** A job of the file: the call that it was stored for. */
export interface StoredCall {
  readonly call: string;
  readonly jobId: string;
}

/** Faults against P1 and P2: acknowledged within stored within tried, and nothing stored twice. */
export function compareWithStore(log: EnqueueLog, stored: readonly StoredCall[]): readonly string[] {
  const faults: string[] = [];
  const jobs = new Map<string, string>();
  for (const { call, jobId } of stored) {
    if (jobs.has(call)) faults.push(`call ${call} is stored twice: ${jobs.get(call)} and ${jobId}`);
    if (!log.tried.has(call)) faults.push(`call ${call} is stored and was never made`);
    jobs.set(call, jobId);
  }
  for (const [call, jobId] of log.acknowledged) {
    const found = jobs.get(call);
    if (found === undefined) faults.push(`call ${call} was acknowledged as ${jobId} and is lost`);
    else if (found !== jobId) faults.push(`call ${call} was acknowledged as ${jobId} and is stored as ${found}`);
  }
  return faults;
}
