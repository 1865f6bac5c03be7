/** Signals of jobs, as far as this SDK has them. */
import { type Context, JobHandle } from "../../src/sdk/index.ts";
import { randomFrom } from "../support/seeded-random.ts";
import { bodiesOf } from "./program-points.ts";
import type { Node, Program } from "./program.ts";

interface Signalled {
  signal(name: string, payload: unknown): Promise<unknown>;
}

interface AwaitsSignals {
  awaitSignal(name: string, options: { readonly timeoutMs: number }): Promise<unknown>;
}

export function canSignal(): boolean {
  return "signal" in JobHandle.prototype;
}

export function awaitSignal(context: Context, name: string, timeoutMs: number): Promise<unknown> {
  return (context as unknown as AwaitsSignals).awaitSignal(name, { timeoutMs });
}

/** Sends a job the signals that its program awaits, a few ms apart. Harmless for a job that has ended. */
export async function sendSignals(job: JobHandle, program: Program): Promise<void> {
  const random = randomFrom(program.body.length);
  for (const [index, name] of signalsOf(program.body).entries()) {
    await Bun.sleep(random.between(0, 20));
    await (job as unknown as Signalled).signal(name, `signal:${name}:${index}`).catch(() => {});
  }
}

function signalsOf(nodes: readonly Node[]): readonly string[] {
  return nodes.flatMap((node) => [
    ...(node.kind === "signal" ? [node.signal] : []),
    ...bodiesOf(node).flatMap(([, body]) => signalsOf(body)),
  ]);
}
