import type { Tally } from "./tally.ts";

/** One part of the checks. */
export interface Stage {
  readonly name: string;
  /** How many of the machine's slots it takes while it runs. */
  readonly slots: number;
  /** @param show prints the output while it comes */
  run(show: boolean): Promise<Verdict>;
}

export interface Verdict {
  readonly tally: Tally;
  /** One line for each failure. */
  readonly failures: readonly string[];
  /** What was printed and not shown yet. */
  readonly output: string;
}

export interface StageResult extends Verdict {
  readonly name: string;
  readonly seconds: number;
}

export interface StageListener {
  started(stage: Stage): void;
  ended(result: StageResult): void;
}

/**
 * Runs stages in parallel as long as their slots fit into `slots`. Each free slot goes to the first stage in the list
 * that fits, so long stages belong at the front. A stage that needs more slots than there are runs alone. A failure
 * does not stop the others.
 */
export async function runStages(
  stages: readonly Stage[],
  slots: number,
  listener: StageListener,
): Promise<readonly StageResult[]> {
  const waiting = [...stages];
  const running = new Map<Stage, Promise<StageResult>>();
  const results: StageResult[] = [];
  while (waiting.length > 0 || running.size > 0) {
    for (let next = nextFitting(); next !== undefined; next = nextFitting()) {
      waiting.splice(waiting.indexOf(next), 1);
      listener.started(next);
      running.set(next, runStage(next, stages.length === 1));
    }
    const ended = await Promise.race([...running].map(async ([stage, result]) => ({ stage, result: await result })));
    running.delete(ended.stage);
    results.push(ended.result);
    listener.ended(ended.result);
  }
  return results;

  function nextFitting(): Stage | undefined {
    const taken = [...running.keys()].reduce((sum, stage) => sum + stage.slots, 0);
    return waiting.find((stage) => taken === 0 || taken + stage.slots <= slots);
  }
}

async function runStage(stage: Stage, show: boolean): Promise<StageResult> {
  const startedAt = performance.now();
  const verdict = await stage.run(show);
  return { ...verdict, name: stage.name, seconds: (performance.now() - startedAt) / 1000 };
}
