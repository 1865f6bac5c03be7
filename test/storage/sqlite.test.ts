import { createSqliteStore } from "../../src/daemon/storage/sqlite/sqlite-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { tempDir } from "../support/temp-dir.ts";
import { orderSuite } from "./order-suite.ts";
import { signalSuite } from "./signal-suite.ts";
import { storeSuite } from "./store-suite.ts";
import { undoSuite } from "./undo-suite.ts";
import { workflowSuite } from "./workflow-suite.ts";

storeSuite("SQLite in a file", async () => {
  const directory = await tempDir();
  const clock = new ManualClock();
  const store = await createSqliteStore({ path: directory.file("jobs.db"), clock });
  return {
    store,
    clock,
    async [Symbol.asyncDispose]() {
      await store.close();
      await directory[Symbol.asyncDispose]();
    },
  };
});

storeSuite("SQLite in memory", async () => {
  const clock = new ManualClock();
  const store = await createSqliteStore({ path: ":memory:", clock });
  return { store, clock, hasOneConnection: true, [Symbol.asyncDispose]: () => store.close() };
});

for (const suite of [workflowSuite, signalSuite, orderSuite, undoSuite])
  suite("SQLite in memory", async () => {
    const clock = new ManualClock();
    const store = await createSqliteStore({ path: ":memory:", clock });
    return { store, clock, hasOneConnection: true, [Symbol.asyncDispose]: () => store.close() };
  });
