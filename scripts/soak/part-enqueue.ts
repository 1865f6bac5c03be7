/** P1, P2: 16 clients enqueue numbered jobs while every process is killed -9 at a random point, again and again. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { startDaemon } from "../bench/daemon-process.ts";
import { readStoreReport } from "./check-store.ts";
import { startClient } from "./child.ts";
import { compareWithStore, readEnqueueLog } from "./enqueue-log.ts";
import { playRounds, type SoakContext, type Verdict, verdictOf } from "./soak-context.ts";

const DEFAULT_ROUNDS = 20;
const PROCESSES = 4;
const CLIENTS_EACH = 4;
const IN_FLIGHT = 4;
const MIN_MS = 20;
const MAX_MS = 1_500;

/** The verdict after all rounds, on one file. */
export async function soakEnqueue(context: SoakContext): Promise<Verdict> {
  const faults: string[] = [];
  const totals = { acknowledged: 0, stored: 0, tried: 0 };
  // One file for all rounds: each starts on what the last kill left.
  const db = join(context.directory, "enqueue.db");
  const rounds = await playRounds(context, DEFAULT_ROUNDS, async (round) => {
    const log = join(context.directory, `enqueue-${round}.log`);
    const functionName = `soak:enqueue:round-${round}`;
    await enqueueUntilKilled(context, db, functionName, log);
    const written = readEnqueueLog(readFileSync(log, "utf8"));
    const report = readStoreReport(db, functionName);
    const found = [...report.faults, ...compareWithStore(written, report.calls)];
    faults.push(...found.map((fault) => `round ${round}: ${fault}`));
    totals.acknowledged += written.acknowledged.size;
    totals.stored += report.calls.length;
    totals.tried += written.tried.size;
    const { acknowledged, tried } = written;
    context.progress(
      `enqueue, round ${round}: ${acknowledged.size} acknowledged, ${report.calls.length} stored, ${tried.size} tried` +
        (found.length === 0 ? "" : `, ${found.length} FAULTS`),
    );
  });
  if (totals.acknowledged === 0)
    faults.push("nothing was ever acknowledged: the kills came too early to show anything");
  return verdictOf(
    "P1 an acknowledged call survives kill -9 of every process",
    `${rounds} rounds, ${totals.acknowledged} acknowledged within ${totals.stored} stored within ${totals.tried} tried`,
    faults,
  );
}

async function enqueueUntilKilled(context: SoakContext, db: string, functionName: string, log: string): Promise<void> {
  const daemon = await startDaemon(context.executable, db);
  const clients = Array.from({ length: PROCESSES }, (_, index) =>
    startClient({
      address: daemon.address,
      functionName,
      clients: Array.from({ length: CLIENTS_EACH }, (__, number) => `c${index}-${number}`),
      inFlight: IN_FLIGHT,
      log,
      count: null,
    }),
  );
  try {
    await firstAcknowledgement(log);
    await Bun.sleep(context.random.between(MIN_MS, MAX_MS));
  } finally {
    // In one go, in an order that changes.
    const ends = [daemon, ...clients].sort(() => context.random.next() - 0.5).map((one) => one.kill());
    await Promise.all(ends);
  }
}

const PATIENCE_MS = 20_000;

/** A kill before anything happened shows nothing. Throws when nothing happens. */
export async function firstAcknowledgement(log: string): Promise<void> {
  const endAt = performance.now() + PATIENCE_MS;
  while (!/^a /m.test(readText(log))) {
    if (performance.now() > endAt) throw new Error(`no call was acknowledged within ${PATIENCE_MS / 1000} s`);
    await Bun.sleep(5);
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // No client has opened it yet.
    return "";
  }
}
