type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Whether a stream gets colours: NO_COLOR (not empty) says no, FORCE_COLOR says yes (no with 0 or false), and
 * otherwise only a terminal that is not dumb, outside CI, does.
 */
export function wantsColor(isTerminal: boolean, env: Environment): boolean {
  if ((env["NO_COLOR"] ?? "") !== "") return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined) return forced !== "0" && forced !== "false";
  return isTerminal && env["TERM"] !== "dumb" && !isContinuousIntegration(env);
}

/** CI gets no colours, no progress and no questions. */
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

/** Wraps text in the codes of a colour, or leaves it as it is. */
export function painter(enabled: boolean): (paint: Paint, text: string) => string {
  if (!enabled) return (_paint, text) => text;
  return (paint, text) => `\u001b[${CODES[paint][0]}m${text}\u001b[${CODES[paint][1]}m`;
}
