/** The type of a value after a trip through JSON. `any` becomes `unknown`: nothing is known about it. */
export type Serialized<T> = IsAny<T> extends true ? unknown : SerializedKnown<T>;

/**
 * What `result()` returns for a handler that returns T; null for a handler without a result.
 *
 * @example
 * ```ts
 * const stamp: JobResult<{ at: Date }> = { at: "2026-11-21T00:00:00.000Z" }; // JSON has no dates
 * ```
 */
export type JobResult<T> = IsAny<T> extends true ? unknown : T extends undefined | void ? null : Serialized<T>;

type IsAny<T> = 0 extends 1 & T ? true : false;

type SerializedKnown<T> = T extends { toJSON(...key: never[]): infer J }
  ? J
  : T extends string | number | boolean | null | undefined
    ? T
    : T extends (...args: never[]) => unknown
      ? never
      : T extends readonly unknown[]
        ? { [K in keyof T]: SerializedItem<T[K]> }
        : T extends object
          ? {
              [
                K in keyof T as K extends symbol ? never : T[K] extends (...args: never[]) => unknown ? never : K
              ]: Serialized<T[K]>;
            }
          : T;

type SerializedItem<T> = IsAny<T> extends true ? unknown : T extends undefined ? null : Serialized<T>;
