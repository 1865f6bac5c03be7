import { afterAll, beforeAll } from "bun:test";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { orderSuite } from "./order-suite.ts";
import { signalSuite } from "./signal-suite.ts";
import { storeSuite } from "./store-suite.ts";
import { undoSuite } from "./undo-suite.ts";
import { workflowSuite } from "./workflow-suite.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

storeSuite("PostgreSQL", () => postgresWorld(database));
workflowSuite("PostgreSQL", () => postgresWorld(database));
signalSuite("PostgreSQL", () => postgresWorld(database));
orderSuite("PostgreSQL", () => postgresWorld(database));
undoSuite("PostgreSQL", () => postgresWorld(database));
