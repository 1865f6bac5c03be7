/** The generator of the differential test, and what makes its programs smaller. */
import { describe, expect, test } from "bun:test";
import { bodiesOf } from "./program-points.ts";
import { ALWAYS, type Node, programFrom } from "./program.ts";
import { shrink } from "./shrink.ts";

const PROGRAMS = Array.from({ length: 2_000 }, (_, seed) => programFrom(seed, true));

function all(nodes: readonly Node[]): readonly Node[] {
  return nodes.flatMap((node) => [node, ...bodiesOf(node).flatMap(([, body]) => all(body))]);
}

describe("programs", () => {
  test("are the same for the same seed", () => {
    expect(programFrom(7)).toEqual(programFrom(7));
    expect(programFrom(7)).not.toEqual(programFrom(8));
  });

  test("have every kind of statement, and signals only where there are any", () => {
    const kinds = new Set<string>(PROGRAMS.flatMap(({ body }) => all(body)).map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(
      [
        "child",
        "children",
        "emit",
        "event",
        "first",
        "hop",
        "join",
        "loop",
        "now",
        "random",
        "signal",
        "sleep",
        "step",
        "throw",
      ].concat(["timer", "try", "uuid"]),
    );
    expect(all(programFrom(4, false).body).some(({ kind }) => kind === "signal")).toBe(false);
  });

  test("begin and end each branch with a durable operation, so that no plain timer decides a race", () => {
    const plain: readonly Node["kind"][] = ["timer", "hop", "random", "uuid", "throw", "join", "try", "loop"];
    const joins = PROGRAMS.flatMap(({ body }) => all(body)).filter((node) => node.kind === "join");
    const ends = joins.flatMap(({ branches }) => branches.flatMap((branch) => [branch[0]?.kind, branch.at(-1)?.kind]));
    expect(ends.filter((kind) => kind === undefined || plain.includes(kind))).toEqual([]);
  });

  test("end no branch with an emit, whose end is not recorded", () => {
    const joins = PROGRAMS.flatMap(({ body }) => all(body)).filter((node) => node.kind === "join");
    expect(joins.flatMap(({ branches }) => branches).filter((branch) => branch.at(-1)?.kind === "emit")).toEqual([]);
  });

  test("throw only right after a durable operation", () => {
    const before = (nodes: readonly Node[]): readonly (string | undefined)[] =>
      nodes.flatMap((node, index) => [
        ...(node.kind === "throw" ? [nodes[index - 1]?.kind] : []),
        ...bodiesOf(node).flatMap(([, body]) => before(body)),
      ]);
    const inside = PROGRAMS.flatMap(({ body }) =>
      body.flatMap((node) => bodiesOf(node).flatMap(([, part]) => before(part))),
    );
    expect(new Set(inside)).toEqual(new Set(["step"]));
  });
});

describe("a throw that not every attempt reaches", () => {
  test("stands at the end, where nobody catches it", () => {
    const isSometimes = (node: Node): boolean => node.kind === "throw" && node.attempts < ALWAYS;
    const inner = PROGRAMS.flatMap(({ body }) => [...body.slice(0, -1), ...all(body.slice(-1)).slice(1)]);
    expect(all(inner).filter(isSometimes)).toEqual([]);
    expect(PROGRAMS.some(({ body }) => body.slice(-1).some(isSometimes))).toBe(true);
  });
});

describe("shrinking", () => {
  test("keeps what shows the fault and takes the rest away", async () => {
    const large = PROGRAMS.find(({ body }) => all(body).length > 20 && all(body).some(({ kind }) => kind === "uuid"));
    if (large === undefined) throw new Error("no program is large enough");
    const hasUuid = (nodes: readonly Node[]): boolean => all(nodes).some(({ kind }) => kind === "uuid");
    const small = await shrink(large, ({ body }) => Promise.resolve(hasUuid(body)), 1_000);
    expect(hasUuid(small.body)).toBe(true);
    expect(all(small.body).length).toBeLessThan(6);
  });
});
