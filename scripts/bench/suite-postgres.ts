/** The workloads on PostgreSQL, beside pgbench on the same server in the same minutes. */
import type { PostgresServer } from "../../test/support/postgres-server.ts";
import type { BenchContext } from "./bench-context.ts";
import {
  copyPostgresTemplate,
  hasPgbench,
  makePostgresTemplate,
  pgbench,
  serverProcessorMs,
  startBenchServer,
} from "./postgres-scene.ts";
import { finishedFillings } from "./scenes.ts";
import { LATENCIES, RATES } from "./suite-work.ts";
import { runWorkloads } from "./workloads.ts";

const SCENES = ["postgres", "postgres-finished"] as const;

/** Scenes alternate within a round, in changing order, so that other load on the machine affects both. */
export async function runPostgresSuite(context: BenchContext): Promise<void> {
  const { options, recorder, scale } = context;
  await using server = await startBenchServer();
  await makePostgresTemplate(context, server, templateOf("postgres"), []);
  await makePostgresTemplate(context, server, templateOf("postgres-finished"), finishedFillings(scale.rows));
  if (!hasPgbench()) context.progress("no pgbench here (postgresql-contrib): its rows are left out");
  for (let round = 1; round <= options.rounds; round++) {
    for (const scene of round % 2 === 1 ? SCENES : SCENES.toReversed()) {
      context.progress(`round ${round} of ${options.rounds}: ${scene}`);
      await playScene(context, server, scene);
    }
    const latest = (key: string): number => recorder.values(key).at(-1) ?? Number.NaN;
    for (const key of RATES) {
      recorder.add(`postgres-finished/${key}/ratio`, latest(`postgres-finished/${key}`) / latest(`postgres/${key}`));
    }
    for (const key of LATENCIES) {
      recorder.add(`postgres-finished/${key}/ratio`, latest(`postgres/${key}`) / latest(`postgres-finished/${key}`));
    }
  }
}

async function playScene(context: BenchContext, server: PostgresServer, scene: (typeof SCENES)[number]): Promise<void> {
  const { recorder, scale, bun } = context;
  const db = await copyPostgresTemplate(server, templateOf(scene), "work");
  const isJudged = scene === "postgres" && hasPgbench();
  const one = Math.ceil(3 * scale.limits);
  const many = Math.ceil(2 * scale.limits);
  if (isJudged) recorder.add("postgres/pgbench-1/rate", await pgbench(context, server, 1, one));
  await runWorkloads(context, scene, db, bun, {
    serverMs: () => serverProcessorMs(server),
    ...(isJudged ? { besideEnqueues: () => pgbench(context, server, 64, many) } : {}),
  });
}

function templateOf(scene: string): string {
  return `template_${scene.replace("-", "_")}`;
}
