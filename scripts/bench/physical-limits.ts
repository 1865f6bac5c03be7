/** What the disk and SQLite can do here and now, without Reseolio: every figure is read beside these. */
import { Database } from "bun:sqlite";
import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { percentile } from "./statistics.ts";

/** 4 KiB appended and fsynced, a second. Leaves nothing in the directory. */
export function measureFsyncs(directory: string, count: number): number {
  const path = join(directory, "fsync.tmp");
  const descriptor = openSync(path, "w", 0o600);
  try {
    const block = Buffer.alloc(4096, 1);
    const startedAt = performance.now();
    for (let index = 0; index < count; index++) {
      writeSync(descriptor, block);
      fsyncSync(descriptor);
    }
    return (count / (performance.now() - startedAt)) * 1000;
  } finally {
    closeSync(descriptor);
    rmSync(path, { force: true });
  }
}

/**
 * More pages than the log holds: after that, commits overwrite the log, like a daemon's. Extending it takes twice as
 * long.
 */
const WARM_UP_COMMITS = 250;

/** A database of its own, to measure commits in as often as wanted. */
export interface RawCommits {
  /** One row, one commit, on disk: median in milliseconds. */
  single(commits: number): number;
  /** Rows a second when each commit holds 64. */
  grouped(commits: number): number;
  /** Removes the database. */
  close(): void;
}

/** The directory should be on the disk that the daemon writes to. No file of the name may be there. */
export function openRawCommits(directory: string, name = "commits.tmp"): RawCommits {
  const path = join(directory, name);
  const db = openAsTheStoreDoes(path);
  const insert = prepareInsert(db);
  insert(WARM_UP_COMMITS, 64);
  return {
    single: (commits) => percentile(insert(commits, 1).latencies, 0.5),
    grouped: (commits) => (commits * 64 * 1000) / insert(commits, 64).elapsedMs,
    close: () => {
      db.close(true);
      for (const suffix of ["", "-wal", "-shm"]) rmSync(path + suffix, { force: true });
    },
  };
}

function openAsTheStoreDoes(path: string): Database {
  const db = new Database(path, { create: true, readwrite: true });
  db.run("pragma journal_mode = wal");
  db.run("pragma synchronous = full");
  db.run("pragma wal_autocheckpoint = 1000");
  db.run("pragma cache_size = -32768");
  // The columns of a stored job that carry something, with the key and no other index: the least a store can do.
  db.run(`create table jobs (
    id blob not null primary key, function_id integer not null, state integer not null, is_ready integer,
    priority integer not null, run_at integer not null, attempt integer not null, failures integer not null,
    max_attempts integer not null, backoff integer not null, initial_delay_ms integer not null,
    max_delay_ms integer not null, jitter real not null, timeout_ms integer not null, created_at integer not null,
    args blob)`);
  return db;
}

interface Commits {
  readonly latencies: Float64Array;
  readonly elapsedMs: number;
}

function prepareInsert(db: Database): (commits: number, rows: number) => Commits {
  const statement = db.prepare("insert into jobs values (?, 1, 0, 1, 0, ?, 0, 0, 3, 2, 1000, 60000, 0.1, 30000, ?, ?)");
  const args = Buffer.alloc(100, "x");
  const commit = db.transaction((rows: number) => {
    const now = Date.now();
    for (let row = 0; row < rows; row++) statement.run(uuidBytes(), now, now, args);
  });
  return (commits, rows) => {
    const latencies = new Float64Array(commits);
    const startedAt = performance.now();
    for (let index = 0; index < commits; index++) {
      const commitAt = performance.now();
      commit.immediate(rows);
      latencies[index] = performance.now() - commitAt;
    }
    return { latencies, elapsedMs: performance.now() - startedAt };
  };
}

function uuidBytes(): Buffer {
  return Bun.randomUUIDv7("buffer");
}
