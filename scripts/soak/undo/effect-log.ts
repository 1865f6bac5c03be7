/** What steps and their undos did, one line of JSON each, of all processes in one file, in the order in which it happened. */

/** One effect. */
export interface Effect {
  readonly jobId: string;
  readonly step: string;
  readonly act: "do" | "undo";
  readonly pid: number;
  /** By the clock of the machine, taken before the line was written. */
  readonly at: number;
  /** Unique for each execution of a step. It is the step's result, so its undo receives it. */
  readonly ticket: string;
}

/** Pid of each process that was killed, and when the signal was sent. */
export type Kills = ReadonlyMap<number, number>;

export function effectLine(effect: Effect): string {
  return `${JSON.stringify(effect)}\n`;
}

/** Throws for a malformed line. Each line is a single write, so a kill leaves no partial line. */
export function readEffects(text: string): readonly Effect[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Effect);
}

/** For a person: what was done to an order, where, and when after the first of it; and the deaths of those processes. */
export function describeEffects(effects: readonly Effect[], kills: Kills): string {
  const [first] = effects;
  if (first === undefined) return "no lines";
  const after = (at: number): string => `+${at - first.at}`;
  const lines = effects.map(({ act, step, pid, at }) => `${act} ${step} @${pid} ${after(at)}`);
  const pids = new Set(effects.map(({ pid }) => pid));
  const deaths = [...kills].filter(([pid]) => pids.has(pid)).map(([pid, at]) => `${pid} ${after(at)}`);
  return `${lines.join(", ")}; killed: ${deaths.join(", ") || "none"}`;
}
