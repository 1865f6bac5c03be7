import type { Param } from "./literals.ts";
import type { Row } from "./rows.ts";

/**
 * Runs statements of the store. Their texts are fixed, so the server prepares each once a connection; the schema stands
 * in them as `reseolio.`, whatever it is called.
 */
export interface Runner {
  rows(sql: string, params?: readonly Param[]): Promise<readonly Row[]>;
}
