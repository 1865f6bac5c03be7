/** The testing kit, `reseolio/testing`: everything a test may rely on, and nothing else. */
export { createTestWorld, type TestWorld, type TestWorldOptions } from "./test-world.ts";
export { UnsafeReplayError } from "./unsafe-replay-error.ts";
