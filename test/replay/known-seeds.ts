/**
 * Programs that once showed a difference, as small as they could be made, each by the rule that it broke. They are kept
 * as data: a seed makes another program when the generator changes.
 */
import {
  ALWAYS,
  type ChildNode,
  type JoinNode,
  type Node,
  type Program,
  type Source,
  type StepNode,
} from "./program.ts";

export interface KnownProgram {
  /** The rule that holds. */
  readonly rule: string;
  /** The seed that it was found with, at that time. */
  readonly seed: number;
  readonly program: Program;
}

export const KNOWN_PROGRAMS: readonly KnownProgram[] = [
  {
    rule: "a step of a branch finds its own record, whichever branch comes first (R1)",
    seed: 46,
    program: program([
      join("race", [
        [step("a", { ms: 1 }), timer(3), step("a")],
        [{ kind: "sleep", name: "b", ms: 10 }, step("a")],
      ]),
    ]),
  },
  {
    rule: "names of different operations are not mixed up between branches (R1)",
    seed: 45,
    program: program([
      step("c"),
      join("race", [
        [step("c")],
        [
          first("c"),
          join("race", [[first("a"), step("b")], [step("c", { fails: ALWAYS, tries: 1 })]]),
          step("c", { ms: 3 }),
        ],
      ]),
      first("c"),
    ]),
  },
  {
    rule: "a UUID stays with its branch (R1)",
    seed: 555,
    program: program([
      join("all", [
        [step("a", { ms: 3 }), timer(5), { kind: "uuid" }, step("b")],
        [step("a"), timer(5), { kind: "uuid" }, step("b")],
      ]),
    ]),
  },
  {
    rule: "the winner of a race stays the winner (R2)",
    seed: 36,
    program: program([
      join("race", [[step("a", { ms: 3 })], [step("a", { ms: 1 })]]),
      { kind: "sleep", name: "b", ms: 12 },
      step("c"),
    ]),
  },
  {
    rule: "the winner of any stays the winner, children and values among them (R2)",
    seed: 7,
    program: program([join("any", [[child("x")], [step("a", { ms: 1 }), { kind: "now" }]]), step("b")]),
  },
  {
    rule: "a failure that the handler caught is a fact (R3)",
    seed: 42,
    program: program([attempt([step("a", { fails: 1 })], [{ kind: "sleep", name: "b", ms: 12 }]), step("c")]),
  },
  {
    rule: "a failure beside other branches is a fact (R3)",
    seed: 49,
    program: program([join("settled", [[step("a", { ms: 3, fails: 1 })], [step("c", { ms: 1 })]])]),
  },
  {
    rule: "a failed step that was caught is not tried again by the next attempt (R4)",
    seed: 0,
    program: program([attempt([step("a", { fails: 1, tries: 1 })], [step("b")]), step("c", { fails: 1 })], 2),
  },
  {
    rule: "a failed child that was caught is not tried again by the next attempt (R4)",
    seed: 0,
    program: program([attempt([child("x", 1)], [step("b")]), step("c", { fails: 1 })], 2),
  },
  {
    rule: "a failed child is retried under its own ID (R5)",
    seed: 133,
    program: program([child("x", 1), step("a")], 2),
  },
  {
    rule: "a step under way when the handler throws is recorded (R6)",
    seed: 204,
    program: program([join("all", [[step("a", { ms: 8 })], [step("b", { fails: 1 })], [step("c", { ms: 8 })]])], 2),
  },
  {
    rule: "what is asked for at once is asked for at once however many awaits lie before it",
    seed: 338,
    program: program([
      first("b", [child("x"), sleepSource(17)]),
      join("any", [
        [sleep("c", 13), { kind: "emit", event: "e" }, sleep("b", 20)],
        [first("a"), step("d")],
      ]),
    ]),
  },
  {
    rule: "what was alone on record is given when the handler has asked for all that it asks for at once",
    seed: 961,
    program: program([
      step("c"),
      join("any", [
        [{ kind: "now" }, join("settled", [[child("x"), step("b")], [step("c", { ms: 8 })]]), step("a")],
        [first("a")],
      ]),
      step("a", { ms: 1 }),
    ]),
  },
  {
    rule: "a call of a handler that has given up its slot waits for one, and is the same child",
    seed: 155,
    program: program([
      join("settled", [
        [{ kind: "event", event: "e", timeoutMs: 25 }, step("b")],
        [step("c"), timer(6), child("y"), timer(6), child("y")],
      ]),
    ]),
  },
  {
    rule: "a handler that has returned reports its end, whatever its losing branches wait for",
    seed: 6543,
    program: program(
      [
        join("any", [
          [step("b"), sleep("b", 40), step("c")],
          [step("a"), sleep("a", 8)],
        ]),
        failing(2),
      ],
      3,
    ),
  },
  {
    rule: "answers to calls beside each other come in the order of the calls, and equal ones keep their children",
    seed: 1734,
    program: program([
      join("all", [
        [step("b", { ms: 8 }), child("x"), step("c")],
        [{ kind: "children", calls: [child("x"), child("y"), child("x")] }, step("b")],
      ]),
    ]),
  },
  {
    rule: "what a losing branch records when its handler has returned stays its own",
    seed: 40763,
    program: program([
      step("b"),
      timer(4),
      join("race", [
        [step("a", { ms: 3 }), sleep("c", 25)],
        [{ kind: "now" }],
        [{ kind: "emit", event: "e" }, step("a", { ms: 1 }), child("y")],
      ]),
    ]),
  },
  {
    rule: "operations of different kinds may have one name",
    seed: 6342,
    program: program(
      [
        attempt([join("race", [[child("y", 1)], [child("y"), first("b")]])], [step("b")], true),
        step("c", { fails: 1 }),
      ],
      3,
    ),
  },
  {
    rule: "what was recorded behind a failure is not done again by a retry, in whatever order it is given then (R4)",
    seed: 1371,
    program: program(
      [
        join("settled", [[step("a", { ms: 3, fails: 1 })], [step("b")], [step("c", { ms: 1 }), step("c")]], true),
        step("d"),
      ],
      2,
    ),
  },
  {
    rule: "an emission under way when the handler fails does not stand behind that failure for ever",
    seed: 10484,
    program: program(
      [join("race", [[step("a", { ms: 4, fails: 2 })], [sleep("s", 1), { kind: "emit", event: "e" }, step("b")]])],
      3,
    ),
  },
  {
    rule: "the winner of a race stays the winner in a retry, whichever branch is asked for first then (R2)",
    seed: 110712,
    program: program(
      [
        join("all", [
          [join("race", [[step("c", { ms: 1 }), sleep("s", 26)], [child("y")]])],
          [step("b", { ms: 1 }), { kind: "children", calls: [child("y", 1), child("x")] }],
        ]),
      ],
      3,
    ),
  },
  {
    rule: "a wait keeps its name and its time, though a plain timer changes what is asked for first",
    seed: 112922,
    program: program(
      [
        join("race", [
          [
            { kind: "emit", event: "f" },
            { kind: "loop", times: 3, body: [child("x"), sleep("b", 20)] },
          ],
          [sleep("c", 28), timer(1), first("c", [{ kind: "event", event: "e" }, sleepSource(16)])],
          [step("a"), { kind: "emit", event: "f" }, sleep("c", 24)],
        ]),
      ],
      2,
    ),
  },
  {
    rule: "what is asked for behind a call is given in its former place by a retry",
    seed: 213315,
    program: program(
      [
        {
          kind: "try",
          body: [step("a1", { fails: 1 })],
          caught: null,
          rethrows: false,
          last: [
            join("race", [
              [sleep("s", 25), step("b", { ms: 8 })],
              [child("x"), step("a5", { ms: 8 }), step("c5")],
            ]),
            step("d5"),
          ],
        },
      ],
      2,
    ),
  },
  {
    rule: "the winner of a race stays the winner, calls among them, while another branch goes on (R2)",
    seed: 41,
    program: program([
      join("all", [
        [step("x", { ms: 3 }), step("x2")],
        [join("race", [[child("k"), sleep("s", 1)], [step("y", { ms: 4 })]])],
      ]),
      sleep("z", 10),
    ]),
  },
  {
    rule: "what is recorded behind an operation that had another identity is found by a retry that comes another way",
    seed: 400122,
    program: program(
      [
        {
          kind: "try",
          body: [{ kind: "loop", times: 2, body: [step("a1", { fails: 1 })] }],
          caught: [
            join("race", [[{ kind: "event", event: "e2", timeoutMs: 15 }], [step("b2"), step("c2", { ms: 8 })]]),
            step("d2"),
          ],
          rethrows: true,
          last: [],
        },
      ],
      3,
    ),
  },
  {
    rule: "what follows a step that succeeds in a retry is not taken for a step of another branch",
    seed: 113104788,
    program: program(
      [
        attempt(
          [
            attempt(
              [{ kind: "signal", signal: "t2", timeoutMs: 12 }],
              [
                join("all", [
                  [step("a", { ms: 1 }), step("a"), step("a")],
                  [step("a", { fails: 1 }), step("a", { fails: 1, terminal: true })],
                ]),
                { kind: "now", name: "now3" },
              ],
            ),
          ],
          [{ kind: "signal", signal: "t6", timeoutMs: 1 }],
          true,
        ),
      ],
      2,
    ),
  },
  {
    rule: "a wait whose timeout ended an attempt is not taken for another wait of its name in the retry",
    seed: 113212228,
    program: program(
      [
        attempt(
          [step("a", { fails: ALWAYS })],
          [
            join("race", [
              [step("b", { ms: 3 })],
              [sleep("s", 16), { kind: "event", event: "f", timeoutMs: 3 }, sleep("t", 21)],
            ]),
            { kind: "event", event: "f", timeoutMs: 12 },
          ],
        ),
      ],
      3,
    ),
  },
];

/** Longer than a process lives. */
const LONG: readonly Node[] = [{ kind: "loop", times: 6, body: [step("c", { ms: 60 })] }];

/** Those that differ when their process is killed in the middle of something. */
export const KNOWN_KILLED_PROGRAMS: readonly KnownProgram[] = [
  {
    rule: "a step is not tried more often than it may be (R7)",
    seed: 22,
    program: program([attempt([step("a", { ms: 40, fails: ALWAYS, tries: 5 })], [step("b")]), ...LONG]),
  },
  {
    rule: "a failure that the handler caught is a fact (R3)",
    seed: 6,
    program: program([attempt([step("a", { fails: 1 })], [step("b", { ms: 8 })]), ...LONG]),
  },
  {
    rule: "the winner of a race stays the winner while the others go on (R2)",
    seed: 84,
    program: program([
      join("race", [[step("a", { ms: 8 })], [step("a", { ms: 1 })], [step("a", { ms: 3 }), timer(3), step("b")]]),
      ...LONG,
    ]),
  },
];

function program(body: readonly Node[], maxAttempts = 1): Program {
  return { maxAttempts, body };
}

function step(name: string, more: Partial<Omit<StepNode, "kind" | "name">> = {}): StepNode {
  return { kind: "step", name, ms: 0, fails: 0, tries: null, terminal: false, ...more };
}

function child(tag: string, fails = 0): ChildNode {
  return { kind: "child", tag, ms: 0, fails };
}

function timer(ms: number): Node {
  return { kind: "timer", ms };
}

function sleep(name: string, ms: number): Node {
  return { kind: "sleep", name, ms };
}

function failing(attempts: number): Node {
  return { kind: "throw", attempts, terminal: false };
}

function sleepSource(ms: number): Source {
  return { kind: "sleep", ms };
}

function first(name: string, sources: readonly Source[] = [{ kind: "event", event: "e" }, sleepSource(10)]): Node {
  return { kind: "first", name, sources };
}

function join(how: JoinNode["how"], branches: readonly (readonly Node[])[], throws = false): Node {
  return { kind: "join", how, branches, throws };
}

function attempt(body: readonly Node[], caught: readonly Node[], rethrows = false): Node {
  return { kind: "try", body, caught, rethrows, last: [] };
}
