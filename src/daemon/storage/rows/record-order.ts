/** The order of a record in three small columns: `place` is its seq, `gate` packs what was asked and the flags, `op`. */
import type { CheckpointKind, ParkOrder, RecordOrder, WaitOrder } from "../../core/checkpoint.ts";
import { KIND_CODES, kindOf } from "./job-rows.ts";

/**
 * Flags of `gate`. Frozen: files on disk carry them. The first two say what is rare, so that the gate of a step in
 * sequence is 0, which takes no byte in SQLite.
 */
export const NOT_ALONE = 1;
const NOT_PROMPT = 2;
export const UNDO = 4;
export const ENDED_ATTEMPT = 8;
/** `kind` means another kind than without an order: its CHECK allows no further numbers and cannot be changed. */
export const OTHER_KIND = 16;
const BESIDE = 32;
/** The numbers that `kind` has with that flag, in SQL. */
export const OTHER_KINDS = Object.values(KIND_CODES)
  .filter((code) => code >= OTHER_KIND)
  .map((code) => code - OTHER_KIND)
  .join(", ");
/** `gate` is (asked - place) * FLAGS + flags: small where operations end in the order in which they are asked for. */
const FLAGS = 64;
/** The flags alone: the gate of a record without a place. */
const ONLY_FLAGS = FLAGS - 1;
/** What a wait keeps of its flags when it gets a place, or loses it. */
export const OF_WAIT = NOT_PROMPT | BESIDE | UNDO | OTHER_KIND;
/** What a record keeps of its flags when it gets a place. */
export const OF_RECORD = UNDO | OTHER_KIND;
/** Neither alone nor prompt, nor anything else. */
export const NO_FLAGS = NOT_ALONE | NOT_PROMPT;

export interface StoredOrder {
  readonly kind: number;
  readonly place: number;
  /** Null: a record without an order. */
  readonly gate: number | null;
  /** Null: 0. */
  readonly op: number | null;
}

/** @param place the place of a record without an order */
export function storedOrder(kind: CheckpointKind, order: RecordOrder | null, place: number): StoredOrder {
  const code = KIND_CODES[kind];
  if (order === null) return withoutOrder(code, place);
  const { seq, asked, op, alone, prompt, beside, undo, endedAttempt } = order;
  const given = bit(!alone, NOT_ALONE) | bit(!prompt, NOT_PROMPT) | bit(beside, BESIDE);
  const flags = given | bit(undo, UNDO) | bit(endedAttempt, ENDED_ATTEMPT) | (code & OTHER_KIND);
  const gate = (asked - seq) * FLAGS + flags;
  return { kind: code & ~OTHER_KIND, place: seq, gate, op: storedOp(op) };
}

/** The gate of a record that loses its place, in SQL: it keeps its flags and says which place it had. */
export function loosenedGateSql(record: string): string {
  return `(case when ${record}gate is null then ${NO_FLAGS} when ${record}place > 0
    then ${record}place * ${FLAGS} + (${record}gate & ${ONLY_FLAGS}) else ${record}gate end)`;
}

/** The order of a wait that is registered: it has no place yet. */
export function storedWaitOrder(kind: CheckpointKind, order: WaitOrder | undefined, place: number): StoredOrder {
  const code = KIND_CODES[kind];
  if (order === undefined) return withoutOrder(code, place);
  const gate = NOT_ALONE | bit(!order.prompt, NOT_PROMPT) | bit(order.beside, BESIDE) | (code & OTHER_KIND);
  return { kind: code & ~OTHER_KIND, place: 0, gate, op: storedOp(order.op) };
}

function withoutOrder(code: number, place: number): StoredOrder {
  const isOther = (code & OTHER_KIND) !== 0;
  return {
    kind: code & ~OTHER_KIND,
    place: isOther ? 0 : place,
    gate: isOther ? OTHER_KIND | NO_FLAGS : null,
    op: null,
  };
}

/** Makes the record of a wait the record of a failed attempt of it, in SQL: its operation keeps its identity and name. */
export const TRIED_WAIT = `name = name || '/tries', kind = ${KIND_CODES.try - OTHER_KIND}, place = 0,
  gate = ${OTHER_KIND | NO_FLAGS}, due_at = null, event_name = null, awaited_id = null, value = null`;

/** Reads the kind from its two columns. */
export function readKind(kind: number, gate: number | null): CheckpointKind {
  return kindOf(kind + ((gate ?? 0) & OTHER_KIND));
}

/** As `readKind` in SQL, as a number for `kindOf`. */
export function kindSql(table: string): string {
  return `(${table}.kind + (coalesce(${table}.gate, 0) & ${OTHER_KIND}))`;
}

/** The gate of waits that end while a job is parked; each wait adds its own flags. */
export function parkedGate({ seq, asked, alone }: ParkOrder): number {
  return (asked - seq) * FLAGS + bit(!alone, NOT_ALONE);
}

export function readOrder({ place, gate, op }: Omit<StoredOrder, "kind">): RecordOrder | null {
  if (gate === null) return null;
  const has = (flag: number): boolean => (gate & flag) !== 0;
  return {
    seq: place,
    asked: place + Math.floor(gate / FLAGS),
    op: op ?? 0,
    alone: !has(NOT_ALONE),
    prompt: !has(NOT_PROMPT),
    beside: has(BESIDE),
    undo: has(UNDO),
    endedAttempt: has(ENDED_ATTEMPT),
  };
}

export function storedOp(op: number): number | null {
  return op === 0 ? null : op;
}

function bit(isSet: boolean, flag: number): number {
  return isSet ? flag : 0;
}
