/** A program as the code that a person would write. */
import { ALWAYS, type ChildNode, type Node, type Program, type Source, type StepNode } from "./program.ts";

export function printProgram({ maxAttempts, body }: Program): string {
  return [`durable(async () => {`, ...block(body, ""), `}, { maxAttempts: ${maxAttempts} })`].join("\n");
}

function block(nodes: readonly Node[], path: string): readonly string[] {
  return nodes.flatMap((node, index) => lines(node, `${path}${index}`)).map((line) => `  ${line}`);
}

function lines(node: Node, point: string): readonly string[] {
  switch (node.kind) {
    case "join":
      return [
        `await Promise.${node.how === "settled" ? "allSettled" : node.how}([ // ${point}`,
        ...node.branches.flatMap((branch, index) => [
          "  async () => {",
          ...inner(branch, `${point}.${index}.`),
          "  },",
        ]),
        node.throws ? "]) // then throws the first error" : "])",
      ];
    case "try":
      return [
        "try {",
        ...block(node.body, `${point}.try.`),
        ...(node.caught === null ? [] : ["} catch (error) {", ...block(node.caught, `${point}.catch.`)]),
        ...(node.rethrows ? ["  throw error"] : []),
        ...(node.last.length === 0 ? [] : ["} finally {", ...block(node.last, `${point}.finally.`)]),
        "}",
      ];
    case "loop":
      return [`for (turn of ${node.times} turns) {`, ...block(node.body, `${point}.turn.`), "}"];
    default:
      return [`${statement(node)} // ${point}`];
  }
}

function inner(nodes: readonly Node[], path: string): readonly string[] {
  return block(nodes, path).map((line) => `  ${line}`);
}

function statement(node: Exclude<Node, { kind: "join" | "try" | "loop" }>): string {
  switch (node.kind) {
    case "step":
      return `await step("${node.name}", ${stepBody(node)}${node.tries === null ? "" : `, { maxAttempts: ${node.tries} }`})`;
    case "child":
      return `await (await ${call(node)}).result()`;
    case "children":
      return `for (const job of await Promise.all([${node.calls.map(call).join(", ")}])) await job.result()`;
    case "sleep":
      return `await sleepFor("${node.name}", ${node.ms})`;
    case "now":
      return `await now(${nameOf(node)})`;
    case "random":
    case "uuid":
      return `${node.kind}(${nameOf(node)})`;
    case "emit":
      return `await emitEvent("${node.event}")`;
    case "event":
      return `await awaitEvent("${node.event}", { timeoutMs: ${node.timeoutMs} })`;
    case "signal":
      return `await awaitSignal("${node.signal}", { timeoutMs: ${node.timeoutMs} })`;
    case "first":
      return `await awaitAny("${node.name}", [${node.sources.map(source).join(", ")}])`;
    case "timer":
      return `await setTimeout(about ${node.ms})`;
    case "hop":
      return node.how === "immediate" ? "await setImmediate()" : "await null";
    case "throw":
      return `${condition(node.attempts)}throw new ${node.terminal ? "TerminalError" : "Error"}()`;
  }
}

function stepBody({ ms, fails, terminal }: StepNode): string {
  const takes = ms === 0 ? "" : `takes ${ms} ms`;
  const throws = fails === 0 ? "" : `throws ${terminal ? "TerminalError " : ""}${times(fails)}`;
  return `() => { ${[takes, throws].filter((text) => text !== "").join(", ")} }`;
}

function condition(attempts: number): string {
  return attempts === ALWAYS ? "" : `if (failed attempts < ${attempts}) `;
}

function times(fails: number): string {
  return fails === ALWAYS ? "always" : `in its first ${fails} runs`;
}

function call({ tag, ms, fails }: ChildNode): string {
  return `child("${tag}", ${ms} ms${fails === 0 ? "" : `, fails ${times(fails)}`})`;
}

function source(one: Source): string {
  switch (one.kind) {
    case "event":
      return `{ event: "${one.event}" }`;
    case "sleep":
      return `{ sleepFor: ${one.ms} }`;
    case "child":
      return `{ job: await ${call(one)} }`;
  }
}

function nameOf({ name }: { readonly name?: string }): string {
  return name === undefined ? "" : JSON.stringify(name);
}
