import type { Runtime } from "./child-process.ts";
import type { BenchOptions } from "./options.ts";
import type { Recorder } from "./recorder.ts";
import type { Scale } from "./scale.ts";

/** Shared by all suites. */
export interface BenchContext {
  readonly executable: string;
  readonly options: BenchOptions;
  readonly scale: Scale;
  readonly recorder: Recorder;
  readonly bun: Runtime;
  /** Null when this machine has no Node that can run the SDK. */
  readonly node: Runtime | null;
  /** Used by this run alone, and removed at its end. */
  readonly directory: string;
  /** Load of the machine before the run. */
  readonly loadAtStart: number;
  progress(text: string): void;
}
