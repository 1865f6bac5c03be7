/**
 * The composition root: opens the store, creates the engine, starts the loops and the server, and stops them in order.
 * Real time and randomness enter here and nowhere else.
 */
import { randomUUID } from "node:crypto";
import type { DaemonConfig } from "./config.ts";
import type { Clock } from "./core/clock.ts";
import type { DaemonError } from "./core/errors.ts";
import { ManualClock } from "./core/manual-clock.ts";
import { SteadyClock } from "./core/steady-clock.ts";
import type { ManualTime } from "./engine/clock/move-clock.ts";
import { createEngine } from "./engine/create-engine.ts";
import type { Engine } from "./engine/engine.ts";
import { recallUnstarted } from "./engine/workers/recall-unstarted.ts";
import { checkAddressFree } from "./http/listen.ts";
import type { Logger } from "./logger.ts";
import { AttemptTimer } from "./loops/attempt-timer.ts";
import { createClockWatch } from "./loops/clock-watch.ts";
import { ClusterWatch } from "./loops/cluster-watch.ts";
import { createCounterFolder } from "./loops/counter-folder.ts";
import { LeaderLoop } from "./loops/leader.ts";
import type { Loop } from "./loops/loop.ts";
import { createPoll } from "./loops/poll.ts";
import { readHostId } from "./loops/process-probe.ts";
import { createPruner, type Retention } from "./loops/pruner.ts";
import { createScheduleRunner } from "./loops/schedule-runner.ts";
import { timeSinceBoot } from "./loops/time-since-boot.ts";
import { TimerWheel } from "./loops/timer-wheel.ts";
import { WorkerReaper } from "./loops/worker-reaper.ts";
import type { DaemonInfo } from "./rpc/daemon-info.ts";
import { createHttpRoutes } from "./rpc/http-routes.ts";
import { CommitMetrics, renderMetrics } from "./rpc/metrics/metrics.ts";
import { createRoutes } from "./rpc/routes.ts";
import { OpenSessions } from "./rpc/session/open-sessions.ts";
import { createStreams } from "./rpc/session/session-stream.ts";
import { type Server, startServer } from "./server.ts";
import { isPostgresUrl, openStore } from "./storage/open-store.ts";
import { openWithRetry } from "./storage/open-with-retry.ts";
import type { Store } from "./storage/seam/store.ts";

/** How long a start waits for the database. */
const START_MS = 60_000;
/** How long workers get to release jobs that they have not started. */
const RECALL_MS = 1_000;
/** How long the store gets to finish work in progress when the daemon stops. */
const STORE_MS = 5_000;
/** How long clients get to close their connections. */
const CLOSE_MS = 2_000;

export interface Daemon {
  /** host:port that it listens on, with the actual port if 0 was requested. */
  readonly address: string;
  readonly info: DaemonInfo;
  /**
   * Stops gracefully: claims nothing more, recalls leases that have not started, commits and answers everything in
   * progress. Running jobs keep their leases: their workers connect to the next daemon. A second call waits for the
   * first.
   */
  stop(): Promise<void>;
  /** Stops without waiting for clients; uncommitted work was never acknowledged. */
  stopNow(): Promise<void>;
  /** Resolves when the daemon has stopped, on request or by itself (linger, a fatal error). */
  readonly finished: Promise<{ readonly exitCode: number }>;
}

/**
 * Opens everything and serves. Waits for a PostgreSQL server that does not answer yet, except with `--linger`, where a
 * client waits for the daemon. Throws DaemonError when storage or address are not available; then nothing is left open.
 *
 * @param giveUp ends the wait
 */
export async function startDaemon(
  config: DaemonConfig,
  logger: Logger,
  giveUp: AbortSignal = new AbortController().signal,
): Promise<Daemon> {
  const nodeId = randomUUID();
  const realClock = new SteadyClock({
    wall: () => Date.now(),
    monotonic: () => performance.now(),
    sinceBoot: timeSinceBoot,
  });
  const clock = config.manualClock === null ? realClock : new ManualClock(config.manualClock, realClock);
  const address = `${config.host}:${config.port}`;
  await checkAddressFree(config.host, config.port);
  const open = () => openStore(config.db, { clock, owner: { nodeId, address } });
  const { store, warnings } = await openWithRetry(open, {
    withinMs: isPostgresUrl(config.db) && config.lingerMs === null ? START_MS : 0,
    onAway: (error) => logger.warn("database not reachable; waiting for it", { error, waitMs: START_MS }),
    giveUp,
  });
  for (const warning of warnings) logger.warn(warning);
  try {
    const daemon = new RunningDaemon({ config, logger, nodeId, clock, store });
    await daemon.start();
    return daemon;
  } catch (error) {
    await store.close();
    throw error;
  }
}

interface DaemonParts {
  readonly config: DaemonConfig;
  readonly logger: Logger;
  readonly nodeId: string;
  readonly clock: Clock;
  readonly store: Store;
}

class RunningDaemon implements Daemon {
  readonly info: DaemonInfo;
  readonly finished: Promise<{ readonly exitCode: number }>;
  readonly #parts: DaemonParts;
  readonly #engine: Engine;
  readonly #loops: readonly Loop[];
  readonly #reaper: WorkerReaper;
  readonly #sessions: OpenSessions;
  readonly #commits = new CommitMetrics();
  readonly #draining = new AbortController();
  #server: Server | null = null;
  #lingerTimer: ReturnType<typeof setInterval> | null = null;
  #stopping: Promise<void> | null = null;
  #finish: (end: { readonly exitCode: number }) => void = () => {};
  #exitCode = 0;

  constructor(parts: DaemonParts) {
    this.#parts = parts;
    const { config, logger, nodeId, clock, store } = parts;
    const { leaseMs, maxConcurrent, maxLosses } = config;
    this.finished = new Promise((resolve) => (this.#finish = resolve));
    this.info = describe(parts);
    this.#engine = createEngine({
      store,
      clock,
      random: Math.random,
      newJobId: () => Bun.randomUUIDv7(),
      settings: { nodeId, leaseMs, maxConcurrent, maxLosses },
      onDeadline: (deadline) => attemptTimer.onDeadline(deadline),
      onFatal: (error) => this.#onFatal(error),
      onUndelivered: (error) =>
        logger.warn("cannot read job checkpoints; delivering the jobs once they can be read", { error }),
      onUnordered: ({ workerId }, { jobId, functionName }) =>
        logger.info("worker uses an older SDK; jobs that a newer SDK has started wait for newer workers", {
          workerId,
          jobId,
          functionName,
        }),
      onCommit: (milliseconds, applied) => this.#commits.record(milliseconds, applied),
    });
    const attemptTimer = new AttemptTimer(this.#engine, logger);
    const leader = new LeaderLoop(this.#engine, logger);
    this.#reaper = new WorkerReaper(this.#engine, logger, this.info.hostId);
    this.#loops = [
      leader,
      attemptTimer,
      this.#reaper,
      new TimerWheel(this.#engine, logger),
      createScheduleRunner(this.#engine, logger),
      createPoll(this.#engine, config.pollIntervalMs, logger),
      createPruner(this.#engine, retentionOf(config), leader, logger),
      createCounterFolder(this.#engine, leader, logger),
      ...(clock instanceof SteadyClock ? [createClockWatch(this.#engine, clock, logger)] : []),
      ...(store.isShared ? [new ClusterWatch(this.#engine, logger)] : []),
    ];
    this.#sessions = new OpenSessions((session) => this.#reaper.onDisconnected(session));
  }

  get address(): string {
    return this.#server?.address ?? "";
  }

  async start(): Promise<void> {
    const { config, logger } = this.#parts;
    this.#server = await startServer({
      host: config.host,
      port: config.port,
      token: config.token,
      tls: config.tls,
      insecure: config.insecure,
      hostNames: config.hostNames,
      logger,
      streams: createStreams(this.#engine, this.info, this.#sessions, logger),
      httpRoutes: createHttpRoutes(this.#engine, this.#draining.signal, () =>
        renderMetrics(this.#engine, this.info, this.#commits),
      ),
      routes: createRoutes(this.#engine, this.info, {
        sessions: this.#sessions,
        draining: this.#draining.signal,
        logger,
        manualTime: this.#manualTime(),
      }),
    });
    for (const loop of this.#loops) loop.start();
    if (config.lingerMs !== null) this.#lingerTimer = this.#watchClients(config.lingerMs);
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#waitAtMost(this.#drain(), RECALL_MS + STORE_MS).then(() => this.#close(CLOSE_MS));
    return this.#stopping;
  }

  stopNow(): Promise<void> {
    this.#draining.abort();
    return this.#close(0);
  }

  async #drain(): Promise<void> {
    this.#engine.dispatcher.pause();
    this.#draining.abort();
    await recallUnstarted(this.#engine, RECALL_MS).finally(() => this.#sessions.drain());
  }

  async #close(graceMs: number): Promise<void> {
    if (this.#lingerTimer !== null) clearInterval(this.#lingerTimer);
    const lastWork = Promise.all(this.#loops.map((loop) => loop.stop())).then(() => this.#engine.lane.close());
    await this.#waitAtMost(lastWork, STORE_MS);
    this.#sessions.end();
    await this.#server?.close(graceMs);
    await this.#waitAtMost(this.#parts.store.close(), STORE_MS);
    this.#finish({ exitCode: this.#exitCode });
  }

  /** Does not let an unavailable or hanging store block the shutdown: uncommitted work was never acknowledged. */
  async #waitAtMost(work: Promise<unknown>, withinMs: number): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(() => late.resolve(), withinMs);
    const ended = work.catch((error: unknown) =>
      this.#parts.logger.warn("shutdown step failed; stopping anyway", { error }),
    );
    await Promise.race([ended, late.promise]);
    clearTimeout(timer);
  }

  /** The store can no longer be trusted: stops without waiting; the next start recovers. */
  #onFatal(error: DaemonError): void {
    this.#parts.logger.error("storage failed; stopping (restart the daemon to recover)", { error });
    this.#exitCode = 1;
    this.#finish({ exitCode: 1 });
  }

  #manualTime(): ManualTime | undefined {
    const { clock } = this.#parts;
    if (!(clock instanceof ManualClock)) return undefined;
    return {
      clock,
      runLoops: async () => {
        for (const loop of this.#loops) await loop.tickNow();
      },
    };
  }

  #watchClients(lingerMs: number): ReturnType<typeof setInterval> {
    const { clock, logger } = this.#parts;
    let aloneSince = clock.monotonic();
    return setInterval(
      () => {
        const now = clock.monotonic();
        if ((this.#server?.openConnections() ?? 0) > 0) aloneSince = now;
        if (now - aloneSince < lingerMs || this.#stopping !== null) return;
        logger.info("no clients connected; exiting", { lingerMs });
        void this.stop();
      },
      Math.max(50, Math.min(500, lingerMs / 4)),
    );
  }
}

function retentionOf(config: DaemonConfig): Retention {
  const { retentionMs, deadRetentionMs, eventRetentionMs } = config;
  return { finishedMs: retentionMs, deadMs: deadRetentionMs, eventMs: eventRetentionMs };
}

function describe({ config, nodeId, store }: DaemonParts): DaemonInfo {
  return {
    version: config.version,
    nodeId,
    storageKind: store.kind,
    storageName: store.name,
    startedAt: store.now(),
    pid: process.pid,
    hostId: readHostId(),
    lingering: config.lingerMs !== null,
  };
}
