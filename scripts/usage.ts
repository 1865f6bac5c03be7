/** What `--help` prints, in the form of the command line's own help. */
export interface Usage {
  /** `bench` for `bun run bench`. */
  readonly script: string;
  readonly purpose: string;
  /** Each with what it means, and its default in brackets. */
  readonly options: readonly (readonly [flag: string, meaning: string])[];
  /** Without the `bun run`. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
}

/** True when the words ask for help; it is then printed on stdout. */
export function printsHelp(words: readonly string[], usage: Usage): boolean {
  if (!words.includes("--help") && !words.includes("-h")) return false;
  process.stdout.write(helpText(usage));
  return true;
}

export function helpText({ script, purpose, options, examples }: Usage): string {
  const flags = [...options, ["-h, --help", "prints this help"] as const];
  const commands = examples.map(([command, meaning]) => [`bun run ${command}`, meaning] as const);
  return [
    purpose,
    "",
    `Usage: bun run ${script}${options.length === 0 ? "" : " [OPTIONS]"}`,
    "",
    "Options:",
    ...columns(flags),
    "",
    "Examples:",
    ...columns(commands),
    "",
  ].join("\n");
}

function columns(rows: readonly (readonly [string, string])[]): readonly string[] {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}
