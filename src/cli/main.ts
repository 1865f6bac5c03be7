#!/usr/bin/env bun
/** The table of commands, and the process around them. */
import type { CommandTable } from "./command.ts";
import { runMain } from "./run-main.ts";
import { openStdout } from "./terminal/stdout.ts";

/** Every command, loaded when it is called. */
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
    summary: "Store, find, await and act on jobs",
    subCommands: {
      enqueue: {
        summary: "Store a job, or many from a file",
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
        summary: "Wait until jobs have ended",
        load: async () => (await import("./commands/jobs-wait.ts")).jobsWait,
      },
      watch: {
        summary: "Follow changes of state",
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
        summary: "Delete jobs that have ended",
        load: async () => (await import("./commands/jobs-delete.ts")).jobsDelete,
      },
      explain: {
        summary: "Say why a job is not running",
        load: async () => (await import("./commands/jobs-explain.ts")).jobsExplain,
      },
    },
  },
  schedules: {
    summary: "Enqueue jobs by the clock",
    subCommands: {
      create: {
        summary: "Create a schedule: a job at each tick of a cron rule",
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
        summary: "Show the next ticks of a schedule or of a rule",
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
        summary: "Enqueue one job of a schedule now",
        load: async () => (await import("./commands/schedules-trigger.ts")).schedulesTrigger,
      },
      backfill: {
        summary: "Enqueue the jobs of past ticks that have none",
        load: async () => (await import("./commands/schedules-backfill.ts")).schedulesBackfill,
      },
      delete: {
        summary: "Delete schedules",
        load: async () => (await import("./commands/schedules-delete.ts")).schedulesDelete,
      },
    },
  },
  events: {
    summary: "Let events happen and see them",
    subCommands: {
      emit: {
        summary: "Let an event happen",
        load: async () => (await import("./commands/events-emit.ts")).eventsEmit,
      },
      get: {
        summary: "Show an event that has happened",
        load: async () => (await import("./commands/events-get.ts")).eventsGet,
      },
      delete: {
        summary: "Forget an event",
        load: async () => (await import("./commands/events-delete.ts")).eventsDelete,
      },
    },
  },
  workers: {
    summary: "See who executes",
    subCommands: {
      list: { summary: "List workers", load: async () => (await import("./commands/workers-list.ts")).workersList },
    },
  },
  functions: {
    summary: "See what is executed",
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
    summary: "Look after the database",
    subCommands: {
      migrate: {
        summary: "Bring the schema up to date",
        load: async () => (await import("./commands/db-migrate.ts")).dbMigrate,
      },
      check: { summary: "Check that it is sound", load: async () => (await import("./commands/db-check.ts")).dbCheck },
      backup: {
        summary: "Copy it, also while the daemon runs",
        load: async () => (await import("./commands/db-backup.ts")).dbBackup,
      },
      copy: {
        summary: "Move all jobs to another one, SQLite or PostgreSQL",
        load: async () => (await import("./commands/db-copy.ts")).dbCopy,
      },
      stats: {
        summary: "Show its size and contents",
        load: async () => (await import("./commands/db-stats.ts")).dbStats,
      },
    },
  },
  doctor: {
    summary: "Find what is wrong and how to mend it",
    load: async () => (await import("./commands/doctor.ts")).doctor,
  },
  completion: {
    summary: "Print completions for bash, zsh or fish",
    load: async () => (await import("./commands/completion.ts")).completion,
  },
  version: { summary: "Print the version", load: async () => (await import("./commands/version.ts")).version },
};

if (import.meta.main) await start();

/** Ends the process only after all output went out: exiting earlier cuts a pipe off at 64 KiB. */
async function start(): Promise<void> {
  // Nobody listens to messages: that is no reason to fail.
  process.stderr.on("error", () => {});
  const exitCode = await runMain(process.argv.slice(2), COMMANDS, {
    env: process.env,
    stdout: openStdout(),
    stderr: process.stderr,
  });
  process.stderr.write("", () => process.exit(exitCode));
}
