import type { Param } from "./literals.ts";
import type { Row } from "./rows.ts";

/**
 * Runs statements of the store. Their texts are fixed, so the server prepares each once per connection; the schema is
 * written as `reseolio.` in them, whatever its real name.
 */
export interface Runner {
  rows(sql: string, params?: readonly Param[]): Promise<readonly Row[]>;
}
