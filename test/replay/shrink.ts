/** Makes a program smaller while it still shows the same fault. */
import type { Node, Program } from "./program.ts";

/** A busy machine must not spend its time on what only makes a fault easier to read. */
const WITHIN_MS = 20_000;

/** @param differs whether a program still shows it; asked at most `budget` times, and not for long */
export async function shrink(
  program: Program,
  differs: (smaller: Program) => Promise<boolean>,
  budget = 150,
): Promise<Program> {
  let smallest = program;
  const endAt = performance.now() + WITHIN_MS;
  const inTime = (smaller: Program): Promise<boolean> =>
    performance.now() < endAt ? differs(smaller) : Promise.resolve(false);
  for (let left = budget; left > 0;) {
    const found = await firstThatDiffers(smallerPrograms(smallest).slice(0, left), inTime);
    left -= found.asked;
    if (found.program === null) return smallest;
    smallest = found.program;
  }
  return smallest;
}

async function firstThatDiffers(
  candidates: readonly Program[],
  differs: (program: Program) => Promise<boolean>,
): Promise<{ readonly program: Program | null; readonly asked: number }> {
  for (const [index, program] of candidates.entries()) {
    if (await differs(program)) return { program, asked: index + 1 };
  }
  return { program: null, asked: candidates.length };
}

function smallerPrograms({ maxAttempts, body }: Program): readonly Program[] {
  const bodies = smallerBodies(body).map((smaller) => ({ maxAttempts, body: smaller }));
  return maxAttempts === 1 ? bodies : [{ maxAttempts: 1, body }, ...bodies];
}

/** Without a statement, with the parts of one in its place, or with a smaller one. */
function smallerBodies(nodes: readonly Node[]): readonly (readonly Node[])[] {
  const without = nodes.map((_, index) => nodes.toSpliced(index, 1));
  const instead = nodes.flatMap((node, index) => replacements(node).map((some) => nodes.toSpliced(index, 1, ...some)));
  return [...without, ...instead];
}

function replacements(node: Node): readonly (readonly Node[])[] {
  switch (node.kind) {
    case "join":
      return [...node.branches, ...smallerJoins(node).map((one) => [one])];
    case "loop":
      return [node.body, ...smallerBodies(node.body).map((body) => [{ ...node, body }])];
    case "try":
      return [node.body, ...smallerTries(node).map((one) => [one])];
    case "first":
      return node.sources.length < 2
        ? []
        : node.sources.map((_, index) => [{ ...node, sources: node.sources.toSpliced(index, 1) }]);
    case "children":
      return [[...node.calls], ...node.calls.map((_, index) => [{ ...node, calls: node.calls.toSpliced(index, 1) }])];
    case "step":
      return node.tries === null ? [] : [[{ ...node, tries: null }]];
    default:
      return [];
  }
}

/** A branch keeps its first and its last statement: they are what makes a program a valid one. */
function smallerJoins(node: Extract<Node, { kind: "join" }>): readonly Node[] {
  const { branches } = node;
  const fewer = branches.length > 2 ? branches.map((_, index) => branches.toSpliced(index, 1)) : [];
  const shorter = branches.flatMap((branch, index) =>
    smallerBodies(branch)
      .filter(isBranch)
      .map((smaller) => branches.toSpliced(index, 1, smaller)),
  );
  return [...fewer, ...shorter].map((some) => ({ ...node, branches: some }));
}

function smallerTries(node: Extract<Node, { kind: "try" }>): readonly Node[] {
  const { body, caught, last } = node;
  return [
    ...(last.length > 0 && caught !== null ? [{ ...node, last: [] }] : []),
    ...smallerBodies(body).map((smaller) => ({ ...node, body: smaller })),
    ...(caught === null
      ? []
      : smallerBodies(caught)
          .filter(isEnd)
          .map((smaller) => ({ ...node, caught: smaller }))),
    ...smallerBodies(last)
      .filter(isEnd)
      .map((smaller) => ({ ...node, last: smaller })),
  ];
}

function isBranch(nodes: readonly Node[]): boolean {
  return isDurable(nodes[0]) && isEnd(nodes);
}

function isEnd(nodes: readonly Node[]): boolean {
  const last = nodes.at(-1);
  return (
    last === undefined ||
    (isDurable(last) && last.kind !== "emit") ||
    (last.kind === "throw" && isDurable(nodes.at(-2)))
  );
}

function isDurable(node: Node | undefined): boolean {
  return node !== undefined && DURABLE.includes(node.kind);
}

const DURABLE: readonly Node["kind"][] = [
  "step",
  "child",
  "children",
  "sleep",
  "now",
  "emit",
  "event",
  "signal",
  "first",
];
