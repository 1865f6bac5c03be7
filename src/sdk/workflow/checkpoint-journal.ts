/** What a job has recorded, by name; and the names that this execution of its handler has used. */
import { createHash } from "node:crypto";
import { WIRE_LIMITS } from "#proto/contract.ts";
import { type Checkpoint, CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { ReseolioError } from "../errors.ts";

export class CheckpointJournal {
  readonly #recorded = new Map<string, Checkpoint>();
  readonly #used = new Set<string>();

  constructor(
    private readonly job: { readonly jobId: string; readonly functionName: string },
    recorded: readonly Checkpoint[],
  ) {
    for (const checkpoint of recorded) this.add(checkpoint);
  }

  add(checkpoint: Checkpoint): void {
    this.#recorded.set(checkpoint.name, checkpoint);
  }

  /**
   * A name is used once in an execution: its second use becomes `name#2`, and so on. Handlers that use the same names
   * in the same order therefore find the same checkpoints in every execution.
   */
  takeName(name: string): string {
    let taken = boundedName(name);
    for (let use = 2; this.#used.has(taken); use++) taken = boundedName(`${name}#${use}`);
    this.#used.add(taken);
    return taken;
  }

  /** Steps and values that were recorded and whose names were not taken. */
  get notAskedFor(): readonly string[] {
    const kinds: readonly CheckpointKind[] = [CheckpointKind.STEP, CheckpointKind.VALUE];
    const unused = [...this.#recorded.values()].filter(
      ({ name, kind }) => kinds.includes(kind) && !this.#used.has(name),
    );
    return unused.map(({ name }) => name);
  }

  /** What was recorded under this name. @throws ReseolioError `checkpoint_conflict` when it was something else */
  find(name: string, kind: CheckpointKind): Checkpoint | undefined {
    const checkpoint = this.#recorded.get(name);
    if (checkpoint === undefined || checkpoint.kind === kind) return checkpoint;
    const { functionName, jobId } = this.job;
    throw new ReseolioError(
      "checkpoint_conflict",
      `${functionName}: ${JSON.stringify(name)} is ${KIND_NAMES[kind]} now, but job ${jobId} recorded it as ` +
        `${KIND_NAMES[checkpoint.kind]}: the code has changed under a running job; give what is new a name of its own`,
    );
  }
}

const KIND_NAMES: Readonly<Record<CheckpointKind, string>> = {
  [CheckpointKind.UNSPECIFIED]: "something unknown",
  [CheckpointKind.STEP]: "a step",
  [CheckpointKind.SLEEP]: "a sleep",
  [CheckpointKind.EVENT]: "an awaited event",
  [CheckpointKind.VALUE]: "a value",
  [CheckpointKind.CHOICE]: "a choice between awaited things",
  [CheckpointKind.JOB]: "an awaited job",
};

/** @throws ReseolioError `invalid_argument` that shows the name */
export function checkName(what: string, name: unknown): asserts name is string {
  const length = typeof name === "string" ? Buffer.byteLength(name) : 0;
  if (length >= 1 && length <= WIRE_LIMITS.checkpointNameBytes) return;
  const given = typeof name === "string" ? `has ${length} bytes` : `is ${String(name)}`;
  const limit = WIRE_LIMITS.checkpointNameBytes;
  throw new ReseolioError("invalid_argument", `${what} ${given}; give a string of 1 to ${limit} bytes`);
}

/**
 * The same for the same name, in at most the bytes allowed: for names that are made from others. Half a character, which
 * would come back from the daemon as another one, is replaced here.
 */
export function boundedName(given: string): string {
  const name = wholeCharacters(given);
  if (name.length * 3 <= WIRE_LIMITS.checkpointNameBytes) return name;
  if (Buffer.byteLength(name) <= WIRE_LIMITS.checkpointNameBytes) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 32);
  return `${wholeCharacters(name.slice(0, 50))}…${digest}`;
}

function wholeCharacters(text: string): string {
  return /[\ud800-\udfff]/.test(text) ? Buffer.from(text).toString() : text;
}
