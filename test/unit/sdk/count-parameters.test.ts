import { expect, test } from "bun:test";
import { countParameters } from "../../../src/sdk/options/count-parameters.ts";

/** As text: nothing may be left out or rewritten on the way. */
const HANDLERS: readonly (readonly [text: string, count: number])[] = [
  ["() => 1", 0],
  ["async () => {}", 0],
  ["a => a", 1],
  ["async a => a", 1],
  ["(a) => a", 1],
  ["async (a, b) => [a, b]", 2],
  ["function (a, b) {}", 2],
  ["async function named(a) {}", 1],
  ['({ a = ")", b = [1, 2] }) => [a, b]', 1],
  ["([a = (1 + 1) * 2, ...rest]) => [a, rest]", 1],
  ["{ method(a) {} }", 1],
  ['{ async ["comp,uted"](a, b,) {} }', 2],
  ["(a /* , b */, // c,\n) => a", 1],
  ["(a, b = 1) => a + b", 2],
  ["(a = {}, b = [1, 2], c = (d, e) => d) => a", 3],
  ["({ a } = { a: 1 }) => a", 1],
  ['{ method(a, b = "),") {} }', 2],
  ["async (...rest) => rest", Number.POSITIVE_INFINITY],
  ["function (a, ...rest) {}", Number.POSITIVE_INFINITY],
];

test.each(HANDLERS)("%s", (text, count) => expect(countParameters(functionOf(text))).toBe(count));

test("a bound function has the parameters that are left", () => {
  expect(countParameters(((a: number, b: number) => a + b).bind(null, 1))).toBe(1);
});

/** A function, or the only method of an object. */
function functionOf(text: string): (...args: unknown[]) => unknown {
  // oxlint-disable-next-line typescript/no-implied-eval -- the parameters as they are written are what is tested
  const made: unknown = new Function(`return (${text})`)();
  return (typeof made === "function" ? made : Object.values(made as object)[0]) as (...args: unknown[]) => unknown;
}
