/**
 * Numbers equal calls: the same function with the same arguments, called several times by one handler. Sequential calls
 * are numbered in order. Between concurrent branches the order is a matter of chance, so their numbers are recorded
 * before the calls are made.
 */
import { NO_BYTES } from "#proto/contract.ts";
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import type { Branch } from "../replay/scope.ts";
import type { NewRecord } from "./new-record.ts";

interface AlikeCalls {
  /** Numbers by the branch of the call. */
  readonly recorded: ReadonlyMap<number, number>;
  /** Numbers on record or used in this execution. */
  readonly taken: Set<number>;
  /** All numbers below are taken. */
  next: number;
  last: Branch | undefined;
  areBeside: boolean;
}

export interface NumberedCall {
  readonly call: string;
  /** From 1. */
  readonly number: number;
  /** Identity of the branch of the call. */
  readonly branchId: number;
  /** The next execution might number it differently. */
  readonly isUnsure: boolean;
}

export class CallNumbers {
  readonly #calls = new Map<string, AlikeCalls>();
  /** The few notes among what may be thousands of records. */
  readonly #notes: readonly Checkpoint[];

  readonly #record: (label: string, record: NewRecord, op: number) => Promise<void>;

  constructor(
    recorded: readonly Checkpoint[],
    record: (label: string, record: NewRecord, op: number) => Promise<void>,
  ) {
    this.#record = record;
    this.#notes = recorded.filter(({ kind }) => kind === CheckpointKind.NOTE);
  }

  /** @param branch the branch of the call */
  number(call: string, branch: Branch): NumberedCall {
    const alike = this.#alike(call);
    const known = alike.recorded.get(branch.id);
    const number = known ?? firstFree(alike);
    alike.taken.add(number);
    alike.areBeside ||= alike.last !== undefined && !isBehind(branch, alike.last);
    alike.last = branch;
    return { call, number, branchId: branch.id, isUnsure: alike.areBeside && known === undefined };
  }

  /** Resolves when it is certain that later executions give the call the same number. */
  async keep({ call, number, branchId, isUnsure }: NumberedCall): Promise<void> {
    if (isUnsure) await this.#record(labelOf(call, number), { kind: CheckpointKind.NOTE, value: NO_BYTES }, branchId);
  }

  #alike(call: string): AlikeCalls {
    const known = this.#calls.get(call);
    if (known !== undefined) return known;
    const recorded = new Map<number, number>();
    const prefix = labelOf(call, "");
    for (const { name, op } of this.#notes) {
      if (name.startsWith(prefix) && op !== undefined) recorded.set(op, Number(name.slice(prefix.length)));
    }
    const alike: AlikeCalls = {
      recorded,
      taken: new Set(recorded.values()),
      next: 1,
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

function firstFree(alike: AlikeCalls): number {
  while (alike.taken.has(alike.next)) alike.next++;
  return alike.next;
}

function isBehind(branch: Branch, other: Branch): boolean {
  for (let one: Branch | undefined = branch; one !== undefined; one = one.behind) if (one === other) return true;
  return false;
}
