import { SETTINGS } from "../../daemon/settings.ts";
import { type CommandContext, defineCommand, type Flag, type Flags } from "../command.ts";
import { CliError, usageError } from "../exit.ts";
import { withStopSignals } from "../terminal/stop-signals.ts";
import { VERSION } from "../version.ts";

/** The daemon's settings as flags; settings without a flag are read from their environment variable. */
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
    description:
      "Run the daemon: it stores jobs, assigns them to workers and serves all clients on one port until it is stopped.",
  },
  args: settingFlags(),
  examples: [
    { command: "reseolio serve", does: "./reseolio.db, 127.0.0.1:50051" },
    { command: "reseolio serve --db /var/lib/app/jobs.db --addr 127.0.0.1:7000", does: "a different file and port" },
    { command: "reseolio serve --db postgres://app@db.internal/app", does: "one of several daemons on PostgreSQL" },
    { command: "reseolio serve --linger 10s", does: "exit 10 s after the last client disconnects" },
  ],
  notes: [
    "RESEOLIO_TOKEN sets the token that clients must send. It has no flag because all users of a machine can read command lines.",
    "SIGTERM and Ctrl-C drain: the daemon assigns no more jobs, commits work in progress and exits with 0. Running jobs continue in their workers, which report to the next daemon. A second signal stops the daemon at once; acknowledged work is never lost. SIGHUP stops a daemon that was started on a terminal and is otherwise ignored.",
    "If the PostgreSQL server does not answer, the daemon retries for up to a minute and then exits with 1, so that a supervisor can restart it. With --linger it does not retry.",
    "Exit codes: 1 the storage or the address is not available, or the storage failed; 2 a setting is invalid.",
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
    await withStopSignals(
      async (stop) => {
        const giveUp = new AbortController();
        void stop.requested.then(() => giveUp.abort());
        const daemon = await startDaemon(result.config, logger, giveUp.signal).catch((error: unknown) => {
          if (!stop.isRequested) throw error;
          logger.info("stopped during startup", { error });
          return null;
        });
        if (daemon === null) return;
        const { storageKind, storageName } = daemon.info;
        logger.info("listening", { address: daemon.address, storage: storageKind, at: storageName, version: VERSION });
        if (isAttached) context.messages.info(welcome(daemon.address, result.config.port === DEFAULT_PORT));
        void stop.requested.then(() => {
          logger.info("draining: finishing work in progress, accepting no new work; a second signal stops at once");
          return daemon.stop();
        });
        const { exitCode } = await daemon.finished;
        logger.info("stopped", { exitCode });
        // The log already has the reason.
        if (exitCode !== 0) throw new CliError("failed", "");
      },
      { onHangup: isAttached ? "stop" : "ignore" },
    );
  },
});

/** Omits absent switches, so that they do not override their environment variables. */
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
    "Try this in other shells:",
    `  reseolio work demo:shell:upper${addr} -- tr a-z A-Z`,
    `  reseolio jobs enqueue demo:shell:upper${addr} --args '["hello"]' --wait`,
    "Press Ctrl-C to stop.",
  ].join("\n");
}
