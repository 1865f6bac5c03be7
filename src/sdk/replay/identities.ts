/** Knows what a handler asks for again: by what led to it, whenever it comes. */
import { CheckpointKind } from "#proto/gen/reseolio/v1/job_pb.ts";
import { currentScope, enterBranch } from "./scope.ts";
import { Branch, nameIn, operationId, type Relation, ROOT_ID } from "./branch.ts";
import { Asked, type OtherNumbers } from "./operation.ts";
import type { Sequence } from "./sequence.ts";

export class Identities {
  readonly #root = new Branch(ROOT_ID, 0);
  /** Of this execution. */
  readonly #ids = new Set<number>();

  constructor(
    private readonly sequence: Pick<Sequence, "given" | "isPrompt" | "turn">,
    /** The handler's context: only what is called inside it has a branch of its own. */
    private readonly context: object,
    private readonly isOrdered: boolean,
    /** Something may be found again under another identity. */
    private readonly hasRecords: boolean,
  ) {
    this.#ids.add(ROOT_ID);
  }

  /** Begins the branch of an operation behind the one in which it is asked for. */
  begin(name: string, kind: CheckpointKind): { readonly branch: Branch; readonly asked: Asked } {
    const here = this.#here;
    const relation = this.#relation(here);
    const others = this.hasRecords ? numbersAs(here, kind, name) : undefined;
    const said = nameIn(relation, name);
    const nth = here.next(kind, said);
    const asked = new Asked(name, kind, this.sequence.isPrompt, relation, here, nth, others);
    return { branch: this.#branch(here, kind, said, nth), asked };
  }

  /** Begins a branch for a call in a job that keeps no order. */
  beginUnordered(call: string): Branch {
    return this.#begin(this.#here, CheckpointKind.UNSPECIFIED, call);
  }

  /**
   * Begins a branch behind a call. What is asked for there is known by the call and its number, which are the same
   * wherever it is made.
   *
   * @param numberOf takes the number of the call that is made in this place
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
   * A name that is the same in every execution and nowhere else: by what led to here, and the number of its use there.
   * Whoever asks here shares the numbers: an await that takes a turn of the event loop in one execution, and none in
   * another, as a look into a cache does, changes nothing.
   */
  nameHere(what: string, name: string): string {
    const here = this.#here;
    const use = here.next(CheckpointKind.UNSPECIFIED, `${what} ${name}`);
    const numbered = use === 1 ? name : `${name}#${use}`;
    return here.id === ROOT_ID ? numbered : `${here.id}/${what}/${numbered}`;
  }

  /** What is asked for behind it is known by the identity that was recorded first. */
  take(branch: Branch, op: number | undefined): void {
    if (op === undefined || this.#ids.has(op)) return;
    this.#ids.add(op);
    branch.take(op);
  }

  get #here(): Branch {
    const scope = currentScope();
    return scope !== undefined && scope.context === this.context ? scope.branch : this.#root;
  }

  /** Whoever waits for several branches goes on in the context of the last one, as that branch itself does. */
  #relation(here: Branch): Relation {
    const { isPrompt, given, turn } = this.sequence;
    if (!this.isOrdered || !isPrompt || given === here.id) return "own";
    return here.turn === turn ? "at once" : "beside";
  }

  /** Begins a branch behind another one, for whatever the caller does behind it. */
  #begin(here: Branch, kind: CheckpointKind, said: string): Branch {
    return this.#branch(here, kind, said, here.next(kind, said));
  }

  #branch(here: Branch, kind: CheckpointKind, said: string, nth: number): Branch {
    const branch = new Branch(this.#free(operationId(here.id, kind, said, nth)), this.sequence.turn, here);
    this.#ids.add(branch.id);
    enterBranch(this.context, branch);
    return branch;
  }

  #free(id: number): number {
    let free = id;
    while (this.#ids.has(free)) free = (free % 0x7fff_ffff) + 1;
    return free;
  }
}

/** Of what is about to be asked for, in each relation. */
function numbersAs(here: Branch, kind: CheckpointKind, name: string): OtherNumbers {
  const as = (relation: Relation): number => here.peek(kind, nameIn(relation, name));
  return { own: as("own"), "at once": as("at once"), beside: as("beside") };
}
