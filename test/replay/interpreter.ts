/** Runs a program as a durable handler and writes down what it was given. */
import { setImmediate as immediate } from "node:timers/promises";
import { type AwaitSource, type Context, type JobHandle, TerminalError } from "../../src/sdk/index.ts";
import { describeError, describeValue } from "./describe-values.ts";
import type { ChildNode, JoinNode, Node, Program, Source, StepNode, TryNode } from "./program.ts";
import { awaitSignal } from "./signals.ts";
import type { TraceWriter } from "./trace.ts";

/** Calls the durable function that stands for a child. */
export type CallChild = (node: ChildNode) => Promise<JobHandle>;

export interface HandlerFacts {
  readonly context: Context;
  /** Attempts of the job that have failed. */
  readonly failures: number;
  /** Why the handler's time is over; what it is given from then on counts as nothing. */
  readonly isOver: () => boolean;
}

/** One execution. Returns what the program's statements ended with, as text. */
export async function interpret(
  program: Program,
  facts: HandlerFacts,
  trace: TraceWriter,
  callChild: CallChild,
): Promise<string> {
  return new Interpreter(facts, trace, callChild).run(program);
}

class Interpreter {
  readonly #execution: number;
  /** Which operation gave an error to the handler. */
  readonly #givenBy = new WeakMap<object, string>();
  #hasEnded = false;

  constructor(
    private readonly facts: HandlerFacts,
    private readonly trace: TraceWriter,
    private readonly callChild: CallChild,
  ) {
    this.#execution = trace.begin(facts.failures);
  }

  async run({ body }: Program): Promise<string> {
    try {
      const result = await this.#sequence(body, "");
      this.#end(result, null);
      return result;
    } catch (error) {
      this.#end(null, error);
      throw error;
    }
  }

  async #sequence(nodes: readonly Node[], path: string): Promise<string> {
    const values: string[] = [];
    for (const [index, node] of nodes.entries()) values.push(await this.#node(node, `${path}${index}`));
    return values.filter((value) => value !== "").join(" ");
  }

  #node(node: Node, point: string): Promise<string> {
    switch (node.kind) {
      case "try":
        return this.#try(node, point);
      case "join":
        return this.#join(node, point);
      case "loop":
        return this.#loop(node.times, node.body, point);
      case "child":
        return this.#child(node, point);
      case "children":
        return this.#children(node.calls, point);
      case "first":
        return this.#first(node.name, node.sources, point);
      case "throw":
        return this.#throw(node.attempts, node.terminal, point);
      case "timer":
      case "hop":
        return this.#plain(node, point);
      default:
        return this.#given(point, () => this.#ask(node, point));
    }
  }

  #ask(node: Exclude<Node, { kind: Composite }>, point: string): unknown {
    const { context } = this.facts;
    switch (node.kind) {
      case "step":
        return this.#step(node, point);
      case "sleep":
        return context.sleepFor(node.name, node.ms);
      case "now":
        return context.now(node.name);
      case "random":
        return context.random(node.name);
      case "uuid":
        return context.uuid(node.name);
      case "emit":
        // Whether this was the first emit is another answer in each execution.
        return context.emitEvent(this.#eventName(node.event), this.#unique(point)).then(() => "emitted");
      case "event":
        return context.awaitEvent(this.#eventName(node.event), { timeoutMs: node.timeoutMs });
      case "signal":
        return awaitSignal(context, node.signal, node.timeoutMs);
    }
  }

  #step({ name, ms, fails, tries, terminal }: StepNode, point: string): Promise<unknown> {
    const body = async (): Promise<string> => {
      const run = this.trace.nextRun(point);
      this.trace.write(this.#execution, { kind: "runs", at: this.trace.tick(), point, run });
      if (ms > 0) await pause(ms);
      const text = `${point}@${run}`;
      if (run <= fails) throw terminal ? new TerminalError(text) : new Error(text);
      this.trace.write(this.#execution, { kind: "ran", at: this.trace.tick(), point, run });
      return text;
    };
    const retries =
      tries === null ? {} : ({ maxAttempts: tries, initialDelayMs: 1, backoff: "fixed", jitter: 0 } as const);
    return this.facts.context.step(name, body, retries);
  }

  async #child(node: ChildNode, point: string): Promise<string> {
    const handle = await this.#handle(node, point);
    return this.#given(point, () => handle.result());
  }

  async #children(calls: readonly ChildNode[], point: string): Promise<string> {
    const handles = await Promise.all(calls.map((call, index) => this.#handle(call, `${point}.${index}`)));
    const values: string[] = [];
    for (const [index, handle] of handles.entries()) {
      values.push(await this.#given(`${point}.${index}`, () => handle.result()));
    }
    return values.join(" ");
  }

  async #handle(node: ChildNode, point: string): Promise<JobHandle> {
    const handle = await this.callChild(node);
    this.#write(`${point}:job`, handle.jobId);
    return handle;
  }

  async #first(name: string, sources: readonly Source[], point: string): Promise<string> {
    const awaited: AwaitSource[] = [];
    for (const [index, source] of sources.entries()) {
      const one = this.#source(source, `${point}.${index}`);
      awaited.push(one instanceof Promise ? await one : one);
    }
    return this.#given(point, () => this.facts.context.awaitAny(name, awaited));
  }

  #source(source: Source, point: string): AwaitSource | Promise<AwaitSource> {
    switch (source.kind) {
      case "event":
        return { event: this.#eventName(source.event) };
      case "sleep":
        return { sleepFor: source.ms };
      case "child":
        return this.#handle(source, point).then((job) => ({ job }));
    }
  }

  async #try({ body, caught, rethrows, last }: TryNode, point: string): Promise<string> {
    try {
      return await this.#sequence(body, `${point}.try.`);
    } catch (error) {
      if (caught === null) throw error;
      this.#write(`${point}:caught`, describeError(error));
      const value = await this.#sequence(caught, `${point}.catch.`);
      if (rethrows) throw error;
      return value;
    } finally {
      await this.#sequence(last, `${point}.finally.`);
    }
  }

  async #loop(times: number, body: readonly Node[], point: string): Promise<string> {
    const values: string[] = [];
    for (let turn = 1; turn <= times; turn++) values.push(await this.#sequence(body, `${point}.turn${turn}.`));
    return values.join(" ");
  }

  async #join({ how, branches, throws }: JoinNode, point: string): Promise<string> {
    const run = async (branch: readonly Node[], index: number): Promise<string> =>
      `${index}:${await this.#sequence(branch, `${point}.${index}.`)}`;
    const running = branches.map(run);
    try {
      const value = await joined(how, running, throws);
      this.#write(`${point}:${how}`, value);
      return value;
    } catch (error) {
      this.#write(`${point}:${how}`, describeError(error));
      throw error;
    }
  }

  async #throw(attempts: number, terminal: boolean, point: string): Promise<string> {
    if (this.facts.failures >= attempts) return "";
    const text = `thrown at ${point}`;
    throw terminal ? new TerminalError(text) : new Error(text);
  }

  async #plain(node: Extract<Node, { kind: "timer" | "hop" }>, point: string): Promise<string> {
    if (node.kind === "timer") await pause(node.ms * variation(this.#execution, point));
    else if (node.how === "immediate") await immediate();
    else await Promise.resolve();
    return "";
  }

  async #given(point: string, ask: () => unknown): Promise<string> {
    try {
      const value = describeValue(await ask());
      this.#write(point, value);
      return value;
    } catch (error) {
      if (typeof error === "object" && error !== null) this.#givenBy.set(error, point);
      this.#write(point, describeError(error));
      throw error;
    }
  }

  #write(point: string, value: string): void {
    if (this.#hasEnded || this.facts.isOver()) return;
    this.trace.write(this.#execution, { kind: "given", at: this.trace.tick(), point, value });
  }

  #end(result: string | null, error: unknown): void {
    this.#hasEnded = true;
    if (this.facts.isOver()) return;
    const facts =
      result === null
        ? { result, error: describeError(error), endedBy: this.#endedBy(error) }
        : { result, error: "", endedBy: [] };
    this.trace.write(this.#execution, { kind: "end", at: this.trace.tick(), ...facts });
  }

  #endedBy(error: unknown): readonly string[] {
    if (!(error instanceof Error)) return [];
    const own = this.#givenBy.get(error);
    const parts = error instanceof AggregateError ? (error.errors as readonly unknown[]) : [error.cause];
    return [...(own === undefined ? [] : [own]), ...parts.flatMap((part) => this.#endedBy(part))];
  }

  #eventName(event: string): string {
    return `${this.facts.context.jobId}/${event}`;
  }

  #unique(point: string): string {
    return `emit:${point}@${this.#execution}`;
  }
}

type Composite = "try" | "join" | "loop" | "child" | "children" | "first" | "throw" | "timer" | "hop";

async function joined(how: JoinNode["how"], running: readonly Promise<string>[], throws: boolean): Promise<string> {
  switch (how) {
    case "all":
      return (await Promise.all(running)).join(" ");
    case "race":
      return Promise.race(running);
    case "any":
      return Promise.any(running);
    case "settled": {
      const ends = await Promise.allSettled(running);
      const failed = ends.find((end) => end.status === "rejected");
      if (throws && failed !== undefined) throw failed.reason;
      return ends.map((end) => (end.status === "fulfilled" ? end.value : describeError(end.reason))).join(" ");
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Plain timers take another time in each execution, from none to twice as long, and the same when it is repeated. */
function variation(execution: number, point: string): number {
  let hash = Math.imul(execution + 1, 0x9e3779b1);
  for (let index = 0; index < point.length; index++) hash = Math.imul(hash ^ point.charCodeAt(index), 0x01000193);
  return ((hash >>> 8) % 1_000) / 500;
}
