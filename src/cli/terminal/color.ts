type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Whether to color the output of a stream. NO_COLOR (if not empty) disables colors; FORCE_COLOR enables them, or disables
 * them if it is 0 or false. Otherwise only terminals get colors, except dumb ones and in CI.
 */
export function wantsColor(isTerminal: boolean, env: Environment): boolean {
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return isTerminal && env["TERM"] !== "dumb" && !isContinuousIntegration(env);
}

/** In CI there are no colors, no progress and no prompts. */
export function isContinuousIntegration(env: Environment): boolean {
  const value = env["CI"] ?? "";
  return value !== "" && value !== "0" && value !== "false";
}

const CODES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;

export type Paint = keyof typeof CODES;

/** Returns a function that colors text, or returns it unchanged if colors are disabled. */
export function painter(enabled: boolean): (paint: Paint, text: string) => string {
  if (!enabled) return (_paint, text) => text;
  return (paint, text) => `\u001b[${CODES[paint][0]}m${text}\u001b[${CODES[paint][1]}m`;
}
