/**
 * Numbers of calls that are alike: the same function with the same arguments, called by one handler several times. Calls
 * behind each other are numbered as they come. Where they come from branches beside each other, chance says which comes
 * first, and so the number of each is recorded before it is called.
 */
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Branch } from "./branch.ts";
import type { NewRecord } from "./new-record.ts";

interface AlikeCalls {
  /** By the identity of the call. */
  readonly recorded: ReadonlyMap<number, number>;
  readonly taken: Set<number>;
  last: Branch | undefined;
  areBeside: boolean;
}

export class CallNumbers {
  readonly #calls = new Map<string, AlikeCalls>();

  constructor(
    private readonly recorded: readonly Checkpoint[],
    private readonly record: (label: string, record: NewRecord, op: number) => Promise<void>,
  ) {}

  /** From 1. The number is taken at once; the promise ends when a later execution will take the same. */
  async number(call: string, branch: Branch): Promise<number> {
    const alike = this.#alike(call);
    const known = alike.recorded.get(branch.id);
    const number = known ?? firstFree(alike);
    alike.taken.add(number);
    alike.areBeside ||= alike.last !== undefined && !isBehind(branch, alike.last);
    alike.last = branch;
    if (alike.areBeside && known === undefined) {
      await this.record(labelOf(call, number), { kind: CheckpointKind.NOTE, value: NO_BYTES }, branch.id);
    }
    return number;
  }

  #alike(call: string): AlikeCalls {
    const known = this.#calls.get(call);
    if (known !== undefined) return known;
    const recorded = new Map<number, number>();
    const prefix = labelOf(call, "");
    for (const { name, op } of this.recorded) {
      if (name.startsWith(prefix) && op !== undefined) recorded.set(op, Number(name.slice(prefix.length)));
    }
    const alike: AlikeCalls = {
      recorded,
      taken: new Set(recorded.values()),
      last: undefined,
      areBeside: recorded.size > 0,
    };
    this.#calls.set(call, alike);
    return alike;
  }
}

function labelOf(call: string, number: number | ""): string {
  return `call ${call}#${number}`;
}

function firstFree({ taken }: AlikeCalls): number {
  for (let number = taken.size === 0 ? 1 : 1; ; number++) if (!taken.has(number)) return number;
}

function isBehind(branch: Branch, other: Branch): boolean {
  for (let one: Branch | undefined = branch; one !== undefined; one = one.behind) if (one === other) return true;
  return false;
}

const NO_BYTES = new Uint8Array(0);
