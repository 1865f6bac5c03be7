import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { modelSuite } from "./model-suite.ts";

modelSuite("SQLite", Number(process.env["RESEOLIO_MODEL_SEEDS"] ?? 50), async () => {
  const clock = new ManualClock();
  const store = await createSqliteStore({ path: ":memory:", clock });
  return { store, clock, [Symbol.asyncDispose]: () => store.close() };
});
