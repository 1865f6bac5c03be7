import { SETTINGS } from "../../daemon/settings.ts";
import { type CommandContext, defineCommand, type Flag, type Flags } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { untilStopped } from "../terminal/stop-signals.ts";
import { VERSION } from "../version.ts";

/** The daemon's settings as flags; those that are no flag are read from their variable only. */
function settingFlags(): Flags {
  const flags = Object.values(SETTINGS).flatMap((setting): [string, Flag][] => {
    const { flag, variable, placeholder, defaultText, help } = setting;
    if (flag === null) return [];
    const description = upperFirst(help) + (defaultText === null || placeholder === null ? "" : ` [${defaultText}]`);
    if (placeholder === null) return [[flag, { type: "boolean", description, env: variable }]];
    return [[flag, { type: "string", valueHint: placeholder, description, env: variable }]];
  });
  return Object.fromEntries(flags);
}

function upperFirst(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export const serve = defineCommand({
  meta: {
    name: "serve",
    description: "Run the daemon: it stores jobs, hands them to workers and answers on one port until it is stopped.",
  },
  args: settingFlags(),
  examples: [
    { command: "reseolio serve", does: "./reseolio.db, 127.0.0.1:50051" },
    { command: "reseolio serve --db /var/lib/app/jobs.db --addr 127.0.0.1:7000", does: "another file, another port" },
    { command: "reseolio serve --db postgres://app@db.internal/app", does: "one of several daemons on PostgreSQL" },
    { command: "reseolio serve --linger 10s", does: "leave when nobody needs it any more" },
  ],
  notes: [
    "RESEOLIO_TOKEN holds the token that clients must send; it is no flag, because everyone on a machine can read those.",
    "SIGTERM and Ctrl-C drain: no job is handed out any more, what is under way is committed, the exit code is 0. Jobs that run go on in their workers and are settled with the next daemon. A second signal stops at once, which loses nothing that was acknowledged. SIGHUP stops a daemon whose terminal was closed and is ignored by any other.",
    "A PostgreSQL server that does not answer yet is waited for, up to a minute; then the exit code is 1, and whatever supervises the daemon starts it again. With --linger nothing is waited for.",
    "Exit codes: 1 the storage or the address cannot be had, or the storage failed; 2 a setting is wrong.",
  ],
  async run(context) {
    const { readConfig } = await import("../../daemon/config.ts");
    const result = readConfig({ flags: givenFlags(context), env: context.env, version: VERSION });
    if (!result.ok) throw usageError(result.faults.join("\n"), "reseolio serve --help lists the settings");
    const [{ createLogger }, { startDaemon }] = await Promise.all([
      import("../../daemon/logger.ts"),
      import("../../daemon/daemon.ts"),
    ]);
    const logger = createLogger({ level: result.config.logLevel, format: result.config.logFormat });
    for (const warning of result.warnings) logger.warn(warning);
    const isAttached = process.stderr.isTTY;
    await untilStopped(
      async (stop) => {
        const giveUp = new AbortController();
        void stop.requested.then(() => giveUp.abort());
        const daemon = await startDaemon(result.config, logger, giveUp.signal).catch((error: unknown) => {
          if (!stop.isRequested) throw error;
          logger.info("stopped before the start was complete", { error });
          return null;
        });
        if (daemon === null) return;
        const { storageKind, storageName } = daemon.info;
        logger.info("listening", { address: daemon.address, storage: storageKind, at: storageName, version: VERSION });
        if (isAttached) context.messages.info(welcome(daemon.address, result.config.port === DEFAULT_PORT));
        void stop.requested.then(() => {
          logger.info("stopping: under way is finished, nothing new is handed out; a second signal stops at once");
          return daemon.stop();
        });
        const { exitCode } = await daemon.finished;
        logger.info("stopped", { exitCode });
        // The logger has told why.
        if (exitCode !== 0) throw new CliError("failed", "");
      },
      { onHangup: isAttached ? "stop" : "ignore" },
    );
  },
});

/** An absent switch must not hide its variable. */
function givenFlags({ flags }: CommandContext): Record<string, string | true> {
  const given = Object.entries<unknown>(flags).filter(
    (entry): entry is [string, string | true] => typeof entry[1] === "string" || entry[1] === true,
  );
  return Object.fromEntries(given);
}

const DEFAULT_PORT = 50_051;

function welcome(address: string, isDefault: boolean): string {
  const addr = isDefault ? "" : ` --addr ${address}`;
  return [
    "In other shells:",
    `  reseolio work demo:shell:upper${addr} -- tr a-z A-Z`,
    `  reseolio jobs enqueue demo:shell:upper${addr} --args '["hello"]' --wait`,
    "Ctrl-C stops.",
  ].join("\n");
}
