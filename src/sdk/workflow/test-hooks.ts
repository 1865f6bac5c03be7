/** What the testing kit changes of a client: the time that its handlers see, and where they die. */

/** Milliseconds. In a test world both hands are its clock. */
export interface HandlerClock {
  /** Since the epoch. */
  now(): number;
  /** Never goes back. */
  monotonic(): number;
}

export const REAL_CLOCK: HandlerClock = { now: () => Date.now(), monotonic: () => performance.now() };

/** A handler that dies stands still for ever, as if its process were gone, and its job is replayed. */
export interface CrashPlan {
  /** Whether it dies right after this was recorded, stored or told to it. @param point the same in every execution */
  crashesAfter(jobId: string, point: string): boolean;
  /** Whether it dies when it has returned, before that is recorded. */
  crashesAtEnd(end: ReturnedHandler): boolean;
  /** The handler was given what it asked for. */
  observe(seen: GivenValue): void;
  /** A step has run, of `running` that began and have not gone on: it goes on when the promise ends. */
  afterStepRun(jobId: string, running: number): Promise<void>;
}

/** What a handler was given. */
export interface GivenValue {
  readonly jobId: string;
  readonly functionName: string;
  /** Attempts of the job that have failed. */
  readonly failures: number;
  /** Identity of the operation. */
  readonly op: number;
  readonly name: string;
  /** JSON, or an error's name and message. */
  readonly given: string;
}

/** A handler that has returned. */
export interface ReturnedHandler {
  readonly jobId: string;
  readonly functionName: string;
  /** Attempts of the job that have failed. */
  readonly failures: number;
  /** JSON. */
  readonly result: Uint8Array;
  /** Steps and values that earlier executions recorded and this one did not ask for. */
  readonly notAskedFor: readonly string[];
}

export interface TestHooks {
  readonly clock: HandlerClock;
  /** Undefined: nobody dies. */
  readonly crashes: CrashPlan | undefined;
  /** Handlers are replayed as version 0.1 did, which kept no order of what they are given. */
  readonly isUnordered?: boolean;
}

/**
 * Under it a test world puts a TestHooks into the options of its clients; a symbol is no option of a program. The same
 * in every copy of the package that a bundler makes.
 */
export const TEST_HOOKS: unique symbol = Symbol.for("reseolio.test-hooks");

export const NO_TEST_HOOKS: TestHooks = { clock: REAL_CLOCK, crashes: undefined };

/** What a test world has put into options. */
export function testHooksOf(options: object): TestHooks {
  return (options as { readonly [TEST_HOOKS]?: TestHooks })[TEST_HOOKS] ?? NO_TEST_HOOKS;
}
