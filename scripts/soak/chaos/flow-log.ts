/** What workflows did: one line for each run of a step, for each step that is recorded, before a sleep and after it. */

type Kind = "runs" | "recorded" | "sleeps" | "wakes";

/** `KIND JOB_ID NAME AT` */
export function flowLine(kind: Kind, jobId: string, name: string, at: number): string {
  return `${kind} ${jobId} ${name} ${at}\n`;
}

/**
 * Faults against P11, a step that ran after it was recorded, and against P12, a sleep that was too short. Half a line at
 * the end does not count.
 */
export function findFlowFaults(text: string, sleepMs: number): readonly string[] {
  const recorded = new Set<string>();
  const sleeps = new Map<string, number>();
  const faults: string[] = [];
  const whole = text.slice(0, text.lastIndexOf("\n") + 1);
  for (const line of whole.split("\n")) {
    const [kind, jobId = "", name = "", at] = line.split(" ");
    const key = `${jobId} ${name}`;
    if (kind === "recorded") recorded.add(key);
    if (kind === "runs" && recorded.has(key)) faults.push(`step ${name} of job ${jobId} ran after it was recorded`);
    if (kind === "sleeps" && !sleeps.has(key)) sleeps.set(key, Number(at));
    const sleptMs = Number(at) - (sleeps.get(key) ?? Number(at));
    if (kind === "wakes" && sleptMs < sleepMs) faults.push(`job ${jobId} slept ${sleptMs} ms of ${sleepMs}`);
  }
  return faults;
}
