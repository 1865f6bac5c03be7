import { resolve } from "node:path";

/** Root of the checkout. */
export const checkout = resolve(import.meta.dir, "../..");

/**
 * How to start Reseolio here: the compiled binary that `RESEOLIO_TEST_BINARY` names (`bun run check` and `verify` build
 * it and set the variable), else the source under this very Bun, so that an edit is tested without a build.
 */
export function reseolioCommand(): readonly string[] {
  const binary = process.env["RESEOLIO_TEST_BINARY"];
  if (binary !== undefined && binary !== "") return [resolve(checkout, binary)];
  return [process.execPath, resolve(checkout, "src/cli/main.ts")];
}
