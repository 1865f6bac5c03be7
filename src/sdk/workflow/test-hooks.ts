/** What the testing kit changes in a client: the clock of its handlers, and injected crashes. */

/** Milliseconds. In a test world both clocks are the world's. */
export interface HandlerClock {
  /** Since the epoch. */
  now(): number;
  /** Never goes backwards. */
  monotonic(): number;
}

export const REAL_CLOCK: HandlerClock = { now: () => Date.now(), monotonic: () => performance.now() };

/**
 * Decides where handlers crash. A crashed handler never continues, as if its process were gone; its job is replayed.
 */
export interface CrashPlan {
  /** Whether it crashes right after this was recorded, stored or delivered. @param point the same in every execution */
  crashesAfter(jobId: string, point: string): boolean;
  /** Whether the handler crashes after it has returned but before its result is recorded. */
  crashesAtEnd(end: ReturnedHandler): boolean;
  /** The handler received what it asked for. */
  observe(seen: GivenValue): void;
  /**
   * A step has run; it is resumed when the promise resolves.
   *
   * @param running steps that began and were not resumed yet
   */
  afterStepRun(jobId: string, running: number): Promise<void>;
}

/** A value that a handler received. */
export interface GivenValue {
  readonly jobId: string;
  readonly functionName: string;
  /** Number of failed attempts of the job. */
  readonly failures: number;
  /** Identity of the operation. */
  readonly op: number;
  readonly name: string;
  /** The value as JSON, or an error's name and message. */
  readonly given: string;
}

/** A handler that has returned. */
export interface ReturnedHandler {
  readonly jobId: string;
  readonly functionName: string;
  /** Number of failed attempts of the job. */
  readonly failures: number;
  /** JSON. */
  readonly result: Uint8Array;
  /** Names of steps and values that are on record and that this execution did not ask for. */
  readonly notAskedFor: readonly string[];
}

export interface TestHooks {
  readonly clock: HandlerClock;
  /** Undefined: no crashes. */
  readonly crashes: CrashPlan | undefined;
  /** Replays handlers like version 0.1, which recorded no order of deliveries. */
  readonly isUnordered?: boolean;
}

/**
 * The key under which a test world passes TestHooks in the options of its clients; as a symbol it cannot be mistaken
 * for an option. `Symbol.for` makes it the same in every copy of the package that a bundler creates.
 */
export const TEST_HOOKS: unique symbol = Symbol.for("reseolio.test-hooks");

export const NO_TEST_HOOKS: TestHooks = { clock: REAL_CLOCK, crashes: undefined };

/** The hooks that a test world has put into the options. */
export function testHooksOf(options: object): TestHooks {
  return (options as { readonly [TEST_HOOKS]?: TestHooks })[TEST_HOOKS] ?? NO_TEST_HOOKS;
}
