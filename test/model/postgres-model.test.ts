import { afterAll, beforeAll } from "bun:test";
import { type TestDatabase, testDatabase } from "../support/postgres-database.ts";
import { postgresWorld } from "../support/postgres-world.ts";
import { modelSuite } from "./model-suite.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await testDatabase();
}, 120_000);
afterAll(() => database[Symbol.asyncDispose](), 60_000);

// Fewer seeds than in memory: every look goes to a server.
modelSuite("PostgreSQL", Number(process.env["RESEOLIO_MODEL_SEEDS"] ?? 10), () => postgresWorld(database));
