import type { CommandContext, Flags } from "../command.ts";

const DEFAULT_DB = "sqlite://./reseolio.db";

/** The database of a `db` command, in the same form as for `serve`. */
export const DB_FLAGS = {
  db: {
    type: "string",
    valueHint: "PATH|URL",
    description: `Database path or URL, as for reseolio serve [${DEFAULT_DB}]`,
    env: "RESEOLIO_DB",
  },
} as const satisfies Flags;

export function databaseUrl({ flags, env }: Pick<CommandContext<typeof DB_FLAGS>, "flags" | "env">): string {
  const fromEnv = env["RESEOLIO_DB"];
  return flags.db ?? (fromEnv === undefined || fromEnv === "" ? DEFAULT_DB : fromEnv);
}
