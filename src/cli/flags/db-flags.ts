import type { CommandContext, Flags } from "../command.ts";

const DEFAULT_DB = "sqlite://./reseolio.db";

/** Which database a `db` command is about, as `serve` names it. */
export const DB_FLAGS = {
  db: {
    type: "string",
    valueHint: "PATH|URL",
    description: `The database, as reseolio serve has it [${DEFAULT_DB}]`,
    env: "RESEOLIO_DB",
  },
} as const satisfies Flags;

export function databaseUrl({ flags, env }: Pick<CommandContext<typeof DB_FLAGS>, "flags" | "env">): string {
  const fromEnv = env["RESEOLIO_DB"];
  return flags.db ?? (fromEnv === undefined || fromEnv === "" ? DEFAULT_DB : fromEnv);
}
