/** Gives every operation an identity derived from what led to it, so that it is recognized whenever it comes. */
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { Asked, type OtherNumbers } from "./operation.ts";
import { Branch, currentScope, enterBranch, nameIn, operationId, type Relation, ROOT_ID } from "./scope.ts";
import type { Sequence } from "./sequence.ts";

export class Identities {
  readonly #root = new Branch(ROOT_ID, 0);
  /** Identities used in this execution. */
  readonly #ids = new Set<number>();

  readonly #sequence: Pick<Sequence, "given" | "isPrompt" | "turn">;
  /** The handler's context: only what is called inside it has a branch of its own. */
  readonly #context: object;
  readonly #isOrdered: boolean;
  /** Whether records may exist under other identities. */
  readonly #hasRecords: boolean;

  constructor(
    sequence: Pick<Sequence, "given" | "isPrompt" | "turn">,
    context: object,
    isOrdered: boolean,
    hasRecords: boolean,
  ) {
    this.#sequence = sequence;
    this.#context = context;
    this.#isOrdered = isOrdered;
    this.#hasRecords = hasRecords;
    this.#ids.add(ROOT_ID);
  }

  /** Begins the branch of an operation, after the one in which it is asked for. */
  begin(name: string, kind: CheckpointKind): { readonly branch: Branch; readonly asked: Asked } {
    const here = this.#here;
    const relation = this.#relation(here);
    const others = this.#hasRecords ? numbersAs(here, kind, name) : undefined;
    const qualified = nameIn(relation, name);
    const nth = here.next(kind, qualified);
    const asked = new Asked(name, kind, this.#sequence.isPrompt, relation, here, nth, others);
    return { branch: this.#branch(here, kind, qualified, nth), asked };
  }

  /** Begins a branch for a call in a job without a recorded order. */
  beginUnordered(call: string): Branch {
    return this.#begin(this.#here, CheckpointKind.UNSPECIFIED, call);
  }

  /**
   * Begins a branch for a call. Operations in it are identified by the call and its number, which are the same wherever
   * the call is made.
   *
   * @param numberOf takes the number of a call made in this branch
   */
  beginCall(call: string, numberOf: (place: Branch) => number): Branch {
    const here = this.#here;
    const branch = this.#begin(here, CheckpointKind.UNSPECIFIED, nameIn(this.#relation(here), call));
    const number = numberOf(branch);
    this.#ids.delete(branch.id);
    branch.id = this.#free(operationId(ROOT_ID, CheckpointKind.UNSPECIFIED, call, number));
    this.#ids.add(branch.id);
    return branch;
  }

  /**
   * A name that is unique and the same in every execution: derived from what led here and the count of its uses here.
   * All code in a branch shares the count, so it does not matter whether an await in between takes a turn of the event
   * loop, as with a cache that hits in one execution and misses in another.
   */
  nameHere(what: string, name: string): string {
    const here = this.#here;
    const use = here.next(CheckpointKind.UNSPECIFIED, `${what} ${name}`);
    const numbered = use === 1 ? name : `${name}#${use}`;
    return here.id === ROOT_ID ? numbered : `${here.id}/${what}/${numbered}`;
  }

  /** Gives the branch the recorded identity, by which later operations in it are recognized. */
  take(branch: Branch, op: number | undefined): void {
    if (op === undefined || this.#ids.has(op)) return;
    this.#ids.add(op);
    branch.take(op);
  }

  get #here(): Branch {
    const scope = currentScope();
    return scope !== undefined && scope.context === this.#context ? scope.branch : this.#root;
  }

  /** Code that waited for several branches continues in the context of the last one, like that branch itself. */
  #relation(here: Branch): Relation {
    const { isPrompt, given, turn } = this.#sequence;
    if (!this.#isOrdered || !isPrompt || given === here.id) return "own";
    return here.turn === turn ? "at once" : "beside";
  }

  /** Begins a branch after another one, for everything that the caller does from here on. */
  #begin(here: Branch, kind: CheckpointKind, qualified: string): Branch {
    return this.#branch(here, kind, qualified, here.next(kind, qualified));
  }

  #branch(here: Branch, kind: CheckpointKind, qualified: string, nth: number): Branch {
    const branch = new Branch(this.#free(operationId(here.id, kind, qualified, nth)), this.#sequence.turn, here);
    this.#ids.add(branch.id);
    enterBranch(this.#context, branch);
    return branch;
  }

  #free(id: number): number {
    let free = id;
    while (this.#ids.has(free)) free = (free % 0x7fff_ffff) + 1;
    return free;
  }
}

/** Numbers that the next operation would have in each relation. */
function numbersAs(here: Branch, kind: CheckpointKind, name: string): OtherNumbers {
  const as = (relation: Relation): number => here.peek(kind, nameIn(relation, name));
  return { own: as("own"), "at once": as("at once"), beside: as("beside") };
}
