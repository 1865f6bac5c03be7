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

test("optional and default parameters come before options, and a rest parameter takes everything", async () => {
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
  const rest = durable(async (...items: { priority?: number }[]) => items);
  await rest.call({ priority: 3 }, { priority: 4 });
  // @ts-expect-error -- options only by `with`
  await rest.call({ priority: 3 }, { maxAttempts: 1 });
  expect(rest.calls[0]).toEqual({ args: [{ priority: 3 }, { priority: 4 }], options: undefined });
});
