import type { JobHandle } from "./job-handle.ts";
import { isJobOptions, type JobOptions } from "./job-options.ts";
import type { FunctionDefinition } from "./registry.ts";
import type { JobResult } from "./serialized.ts";

/**
 * A function whose calls are stored before they are acknowledged, and run to completion by some worker.
 *
 * @example
 * ```ts
 * const first = await charge("order-1001", 4200);
 * const once = await charge.with({ idempotencyKey: "order-1002", delayMs: 5_000 })("order-1002", 900);
 * const urgent = await charge("order-1003", 100, { priority: 10 });
 * ```
 */
export interface DurableFunction<Args extends unknown[], Result> {
  /**
   * Ends when the call is on disk. A trailing argument is taken as options of this call when it is a plain, non-empty
   * object whose keys are all names of options; `with` leaves no doubt.
   *
   * Called inside a handler it makes a child, cancelled with its parent. A parent that is retried calls its children
   * again: give each an `idempotencyKey` made from what it is about, such as `charge-${orderId}`, and the retry finds
   * the child that is there, with its result.
   *
   * @throws ReseolioError `serialization` or `invalid_argument` before anything is sent; what the daemon refuses;
   * ConnectionError when no answer came within `callTimeoutMs`, and then the call may be stored
   */
  (...args: Args): Promise<JobHandle<JobResult<Result>>>;
  (...args: [...Args, JobOptions]): Promise<JobHandle<JobResult<Result>>>;
  /** As it was registered. */
  readonly functionName: string;
  /** The function's own options; an absent one takes the daemon's default. */
  readonly options: JobOptions;
  /** The same call with options on top of the function's own; all its arguments are the handler's. */
  with(options: JobOptions): (...args: Args) => Promise<JobHandle<JobResult<Result>>>;
}

/** Stores one call; `options` are of this call only. */
export type Enqueue = (
  definition: FunctionDefinition,
  args: readonly unknown[],
  options: JobOptions | undefined,
) => Promise<JobHandle>;

export function createDurableFunction<Args extends unknown[], Result>(
  definition: FunctionDefinition,
  enqueue: Enqueue,
): DurableFunction<Args, Result> {
  const call = (...args: unknown[]): Promise<JobHandle> => {
    const last = args.length === 0 ? undefined : args[args.length - 1];
    if (!isJobOptions(last)) return enqueue(definition, args, undefined);
    return enqueue(definition, args.slice(0, -1), last);
  };
  const properties = {
    functionName: definition.name,
    options: definition.options,
    with:
      (options: JobOptions) =>
      (...args: unknown[]) =>
        enqueue(definition, args, options),
  };
  Object.defineProperty(call, "name", { value: definition.name });
  // The types are the handler's; at run time only JSON passes.
  return Object.assign(call, properties) as unknown as DurableFunction<Args, Result>;
}
