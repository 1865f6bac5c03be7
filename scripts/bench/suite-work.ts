/** Enqueue, drain, call and await: on an empty database, from Node, and on full ones beside the empty one. */
import type { BenchContext } from "./bench-context.ts";
import type { Runtime } from "./child-process.ts";
import type { SceneName } from "./row-specs.ts";
import { backlogFillings, copyTemplate, finishedFillings, makeTemplate, removeDatabase } from "./scenes.ts";
import { runWorkloads } from "./workloads.ts";

interface Scene {
  readonly name: SceneName;
  readonly template: string;
  readonly runtime: Runtime;
}

/** Scenes alternate within a round, in changing order, so that other load on the machine affects all of them. */
export async function runWorkSuites(
  context: BenchContext,
  wanted: { readonly node: boolean; readonly growth: boolean },
): Promise<void> {
  const scenes = await makeScenes(context, wanted);
  for (let round = 1; round <= context.options.rounds; round++) {
    const order = round % 2 === 1 ? scenes : scenes.toReversed();
    for (const scene of order) {
      context.progress(`round ${round} of ${context.options.rounds}: ${scene.name}`);
      const db = copyTemplate(scene.template, scene.name);
      await runWorkloads(context, scene.name, db, scene.runtime);
      removeDatabase(db);
    }
    recordShares(context, scenes);
  }
  for (const { template } of scenes) removeDatabase(template);
}

async function makeScenes(
  context: BenchContext,
  wanted: { readonly node: boolean; readonly growth: boolean },
): Promise<readonly Scene[]> {
  const { bun, node, scale } = context;
  const empty = await makeTemplate(context, "empty", []);
  const scenes: Scene[] = [{ name: "empty", template: empty, runtime: bun }];
  if (wanted.node && node === null) context.progress("Node 20 or later not found: skipping its rows");
  if (wanted.node && node !== null) scenes.push({ name: "node", template: empty, runtime: node });
  if (wanted.growth) {
    const finished = await makeTemplate(context, "finished", finishedFillings(scale.rows));
    const backlog = await makeTemplate(context, "backlog", backlogFillings(scale.rows));
    scenes.push({ name: "finished", template: finished, runtime: bun });
    scenes.push({ name: "backlog", template: backlog, runtime: bun });
  }
  return scenes;
}

/** Figures of a full database that are compared with those of the empty one. */
export const RATES = ["enqueue-64/rate", "enqueue-256/rate", "bulk/rate", "drain/rate", "call-64/rate"];
/** Times of a full database that are compared with those of the empty one; less is better. */
export const LATENCIES = ["enqueue-1/p50", "call/p50"];

/** Records the ratios of this round: 1 is as good as the empty database, less is worse. */
function recordShares({ recorder }: BenchContext, scenes: readonly Scene[]): void {
  const latest = (key: string): number => recorder.values(key).at(-1) ?? Number.NaN;
  recorder.add("empty/enqueue-64/share", (latest("empty/enqueue-64/rate") / latest("limits/grouped")) * 100);
  for (const { name } of scenes.filter((scene) => scene.name === "finished" || scene.name === "backlog")) {
    for (const key of RATES) recorder.add(`${name}/${key}/ratio`, latest(`${name}/${key}`) / latest(`empty/${key}`));
    for (const key of LATENCIES)
      recorder.add(`${name}/${key}/ratio`, latest(`empty/${key}`) / latest(`${name}/${key}`));
  }
}
