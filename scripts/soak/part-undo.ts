/**
 * On both stores: the steps of failed and cancelled jobs are undone one by one, in order, whatever is killed and when.
 */
import { type StoreKind, STORES } from "../../test/support/each-store.ts";
import { playRounds, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";
import { describeEffects } from "./undo/effect-log.ts";
import { judgeOrder } from "./undo/judge-order.ts";
import { playRound } from "./undo/play-round.ts";
import { countsOf, describeCounts, NO_ORDERS, sumOf, type UndoCounts } from "./undo/undo-counts.ts";

/** 250 orders on each store. */
const DEFAULT_ROUNDS = 10;
const ORDERS = 50;
/** In every other round of a store. */
const DAEMON_KILLS = 3;

interface Totals {
  rounds: number;
  counts: UndoCounts;
  readonly faults: string[];
}

/** One verdict a store. */
export async function soakUndo(context: SoakContext): Promise<readonly Verdict[]> {
  const totals = new Map<StoreKind, Totals>();
  await playRounds(context, DEFAULT_ROUNDS, async (round) => {
    // `round` counts from 1.
    const store = STORES[(round - 1) % STORES.length] ?? "sqlite";
    const total = totals.get(store) ?? { rounds: 0, counts: NO_ORDERS, faults: [] };
    totals.set(store, total);
    await playOne(context, store, round, total);
  });
  return [...totals].map(([store, { rounds, counts, faults }]) => {
    if (counts.undoLines === 0) faults.push("nothing was ever undone: nothing was shown");
    return verdictOf(
      `what a job did that fails or is cancelled is undone, the last step first, on ${store}`,
      `seed ${context.options.seed}, ${rounds} rounds: ${describeCounts(counts)}`,
      faults,
    );
  });
}

async function playOne(
  { executable, directory, options, progress }: SoakContext,
  store: StoreKind,
  round: number,
  total: Totals,
): Promise<void> {
  const daemonKills = ++total.rounds % 2 === 1 ? DAEMON_KILLS : 0;
  // Another one for each round; all fit into the 32 bits of a seed.
  const seed = (options.seed % 2_000_000) * 1_000 + round * 10;
  const { orders, kills, open } = await playRound({
    ...{ executable, directory, store, seed, daemonKills },
    orders: ORDERS,
  });
  const faults = [
    ...open.map((summary) => `it did not end: ${summary}`),
    ...orders.flatMap((end, index) => {
      const found = judgeOrder(end, kills);
      const lines = describeEffects(end.effects, kills);
      return found.length === 0 ? [] : [`order ${index} (job ${end.record.jobId}): ${found.join("; ")} [${lines}]`];
    }),
  ];
  total.faults.push(...faults.map((fault) => `round ${round} on ${store}, seed ${seed}: ${fault}`));
  const counts = countsOf(orders, kills.size, daemonKills);
  total.counts = sumOf(total.counts, counts);
  const found = faults.length === 0 ? "" : `, ${faults.length} FAULTS`;
  progress(`undo, round ${round} on ${store}: ${describeCounts(counts)}${found}`);
}
