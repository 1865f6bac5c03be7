#!/usr/bin/env bun
/** The table of commands, and the process around them. */
import type { CommandTable } from "./command.ts";
import { runMain } from "./run-main.ts";
import { openStdout } from "./terminal/stdout.ts";

/** Every command; each is loaded only when it runs. */
export const COMMANDS: CommandTable = {
  serve: {
    summary: "Run the daemon",
    load: async () => (await import("./commands/serve.ts")).serve,
  },
  work: {
    summary: "Make any program a durable function",
    load: async () => (await import("./commands/work.ts")).work,
  },
  jobs: {
    summary: "Enqueue, find, await and manage jobs",
    subCommands: {
      enqueue: {
        summary: "Enqueue a job, or many from a file",
        load: async () => (await import("./commands/jobs-enqueue.ts")).jobsEnqueue,
      },
      list: {
        summary: "List jobs, newest first",
        load: async () => (await import("./commands/jobs-list.ts")).jobsList,
      },
      get: {
        summary: "Show everything about a job",
        load: async () => (await import("./commands/jobs-get.ts")).jobsGet,
      },
      result: {
        summary: "Print the result of a job",
        load: async () => (await import("./commands/jobs-result.ts")).jobsResult,
      },
      wait: {
        summary: "Wait until jobs have finished",
        load: async () => (await import("./commands/jobs-wait.ts")).jobsWait,
      },
      watch: {
        summary: "Follow state changes",
        load: async () => (await import("./commands/jobs-watch.ts")).jobsWatch,
      },
      signal: {
        summary: "Send a signal to a job",
        load: async () => (await import("./commands/jobs-signal.ts")).jobsSignal,
      },
      cancel: { summary: "Cancel jobs", load: async () => (await import("./commands/jobs-cancel.ts")).jobsCancel },
      retry: {
        summary: "Run dead or cancelled jobs again",
        load: async () => (await import("./commands/jobs-retry.ts")).jobsRetry,
      },
      delete: {
        summary: "Delete finished jobs",
        load: async () => (await import("./commands/jobs-delete.ts")).jobsDelete,
      },
      explain: {
        summary: "Explain why a job is not running",
        load: async () => (await import("./commands/jobs-explain.ts")).jobsExplain,
      },
    },
  },
  schedules: {
    summary: "Enqueue jobs on a schedule",
    subCommands: {
      create: {
        summary: "Create a schedule that enqueues a job at each tick of a cron rule",
        load: async () => (await import("./commands/schedules-create.ts")).schedulesCreate,
      },
      list: {
        summary: "List schedules by name",
        load: async () => (await import("./commands/schedules-list.ts")).schedulesList,
      },
      get: {
        summary: "Show everything about a schedule",
        load: async () => (await import("./commands/schedules-get.ts")).schedulesGet,
      },
      preview: {
        summary: "Show the next ticks of a schedule or a cron rule",
        load: async () => (await import("./commands/schedules-preview.ts")).schedulesPreview,
      },
      update: {
        summary: "Change a schedule",
        load: async () => (await import("./commands/schedules-update.ts")).schedulesUpdate,
      },
      pause: {
        summary: "Pause schedules",
        load: async () => (await import("./commands/schedules-pause.ts")).schedulesPause,
      },
      resume: {
        summary: "Resume paused schedules",
        load: async () => (await import("./commands/schedules-resume.ts")).schedulesResume,
      },
      trigger: {
        summary: "Enqueue a job for a schedule now",
        load: async () => (await import("./commands/schedules-trigger.ts")).schedulesTrigger,
      },
      backfill: {
        summary: "Enqueue jobs for past ticks that have none",
        load: async () => (await import("./commands/schedules-backfill.ts")).schedulesBackfill,
      },
      delete: {
        summary: "Delete schedules",
        load: async () => (await import("./commands/schedules-delete.ts")).schedulesDelete,
      },
    },
  },
  events: {
    summary: "Emit and inspect events",
    subCommands: {
      emit: {
        summary: "Emit an event",
        load: async () => (await import("./commands/events-emit.ts")).eventsEmit,
      },
      get: {
        summary: "Show an event that was emitted",
        load: async () => (await import("./commands/events-get.ts")).eventsGet,
      },
      delete: {
        summary: "Delete an event",
        load: async () => (await import("./commands/events-delete.ts")).eventsDelete,
      },
    },
  },
  workers: {
    summary: "Inspect workers",
    subCommands: {
      list: { summary: "List workers", load: async () => (await import("./commands/workers-list.ts")).workersList },
    },
  },
  functions: {
    summary: "Inspect functions",
    subCommands: {
      list: {
        summary: "List functions with their jobs and workers",
        load: async () => (await import("./commands/functions-list.ts")).functionsList,
      },
    },
  },
  status: {
    summary: "Show the daemon, its storage and its jobs",
    load: async () => (await import("./commands/status.ts")).status,
  },
  db: {
    summary: "Maintain the database",
    subCommands: {
      migrate: {
        summary: "Migrate the schema to the current version",
        load: async () => (await import("./commands/db-migrate.ts")).dbMigrate,
      },
      check: { summary: "Check its integrity", load: async () => (await import("./commands/db-check.ts")).dbCheck },
      backup: {
        summary: "Back it up, even while the daemon is running",
        load: async () => (await import("./commands/db-backup.ts")).dbBackup,
      },
      copy: {
        summary: "Copy all jobs to another database, SQLite or PostgreSQL",
        load: async () => (await import("./commands/db-copy.ts")).dbCopy,
      },
      stats: {
        summary: "Show its size and contents",
        load: async () => (await import("./commands/db-stats.ts")).dbStats,
      },
    },
  },
  doctor: {
    summary: "Find problems and show how to fix them",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  completion: {
    summary: "Print a completion script for bash, zsh or fish",
    load: async () => (await import("./commands/completion.ts")).completion,
  },
  version: { summary: "Print the version", load: async () => (await import("./commands/version.ts")).version },
};

if (import.meta.main) await start();

/** Exits only after all output is written: an earlier exit would truncate a pipe at 64 KiB. */
async function start(): Promise<void> {
  // A closed stderr must not fail the command.
  process.stderr.on("error", () => {});
  const exitCode = await runMain(process.argv.slice(2), COMMANDS, {
    env: process.env,
    stdout: openStdout(),
    stderr: process.stderr,
  });
  process.stderr.write("", () => process.exit(exitCode));
}
