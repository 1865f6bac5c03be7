/** Which statement of a program a point of a trace belongs to. */
import type { Node, Program, StepNode } from "./program.ts";

/** All iterations of a loop count as one statement. */
export function stepsByPoint(program: Program): (point: string) => StepNode | undefined {
  const steps = new Map<string, StepNode>();
  collect(program.body, "", steps);
  return (point) => steps.get(point.replaceAll(/turn\d+/g, "turn"));
}

function collect(nodes: readonly Node[], path: string, steps: Map<string, StepNode>): void {
  for (const [index, node] of nodes.entries()) {
    const point = `${path}${index}`;
    if (node.kind === "step") steps.set(point, node);
    for (const [name, body] of bodiesOf(node)) collect(body, `${point}.${name}.`, steps);
  }
}

/** The parts of a statement, by the name that they have in a point. */
export function bodiesOf(node: Node): readonly (readonly [string, readonly Node[]])[] {
  switch (node.kind) {
    case "join":
      return node.branches.map((branch, index) => [String(index), branch] as const);
    case "loop":
      return [["turn", node.body]];
    case "try":
      return [
        ["try", node.body],
        ["catch", node.caught ?? []],
        ["finally", node.last],
      ];
    default:
      return [];
  }
}
