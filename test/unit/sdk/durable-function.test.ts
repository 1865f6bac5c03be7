/** What a call of a durable function passes on: arguments of the handler, and options of the call. */
import { expect, test } from "bun:test";
import { createDurableFunction, type FunctionAccess } from "../../../src/sdk/durable-function.ts";
import { JobHandle } from "../../../src/sdk/job-handle.ts";
import type { JobOptions } from "../../../src/sdk/options/job-options.ts";
import { Registry } from "../../../src/sdk/worker/registry.ts";

interface Call {
  readonly args: readonly unknown[];
  readonly options: JobOptions | undefined;
}

function durable<Args extends unknown[], Result>(handler: (...args: Args) => Result) {
  const calls: Call[] = [];
  const access: FunctionAccess = {
    calls: {
      enqueue: (_name, args, _own, options) => {
        calls.push({ args, options });
        return Promise.resolve(new JobHandle("id", undefined as never));
      },
    },
    createSchedule: () => Promise.reject(new Error("not called")),
  };
  const definition = new Registry().add("t:f", handler, {}, "here");
  return { call: createDurableFunction<Args, Awaited<Result>>(definition, access), calls };
}

test("an argument that looks like options goes to the handler that has a parameter for it", async () => {
  const { call, calls } = durable(async (url: string, init: { headers?: Record<string, string> }) => [url, init]);
  await call("https://x", { headers: { a: "b" } });
  await call("https://x", { headers: { a: "b" } }, { priority: 3 });
  expect(calls).toEqual([
    { args: ["https://x", { headers: { a: "b" } }], options: undefined },
    { args: ["https://x", { headers: { a: "b" } }], options: { priority: 3 } },
  ]);
});

test("options follow the last parameter, or come by `with`", async () => {
  const { call, calls } = durable(async (item: string) => item);
  await call("milk", { priority: 3 });
  await call.with({ priority: 4 })("milk");
  await call("milk");
  expect(calls).toEqual([
    { args: ["milk"], options: { priority: 3 } },
    { args: ["milk"], options: { priority: 4 } },
    { args: ["milk"], options: undefined },
  ]);
});

test("optional and default parameters come before options", async () => {
  const optional = durable(async (item: string, more?: { priority?: number }) => [item, more]);
  const withDefault = durable(async (item: string, more = { priority: 1 }) => [item, more]);
  for (const { call, calls } of [optional, withDefault]) {
    await call("milk", { priority: 3 });
    await call("milk", undefined, { priority: 4 });
    expect(calls).toEqual([
      { args: ["milk", { priority: 3 }], options: undefined },
      { args: ["milk", undefined], options: { priority: 4 } },
    ]);
  }
});

test("behind a rest parameter what could be either is refused, also of a wrapper, until `with` says which it is", async () => {
  const rest = durable(async (first: string, ...items: { priority?: number }[]) => [first, items]);
  const handler = async (item: string): Promise<string> => item;
  const wrapped = durable(((...args: [string]) => handler(...args)) as typeof handler);
  for (const call of [() => rest.call("a", { priority: 3 }), () => wrapped.call("a", { priority: 3 })]) {
    const error = await call().catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "invalid_argument" });
    expect(String(error)).toContain("with({ priority })(…) for options, or with({})(…) for an argument");
  }
  // @ts-expect-error -- options only by `with`
  await rest.call("a", { maxAttempts: 1 }).catch(() => {});
  expect([...rest.calls, ...wrapped.calls]).toEqual([]);
  await rest.call("a", {}, { priority: 3, ...{ other: 1 } });
  await rest.call.with({})("a", { priority: 3 });
  await wrapped.call.with({ priority: 3 })("a");
  expect(rest.calls).toEqual([
    { args: ["a", {}, { priority: 3, other: 1 }], options: undefined },
    { args: ["a", { priority: 3 }], options: {} },
  ]);
  expect(wrapped.calls).toEqual([{ args: ["a"], options: { priority: 3 } }]);
});
