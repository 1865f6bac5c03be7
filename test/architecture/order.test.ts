/** Inside an area: no room imports from a higher one, and no imports go in a circle, not even of types. */
import { describe, expect, test } from "bun:test";
import { type SourceFile, sourceFiles } from "../support/source-files.ts";
import { cliOrder } from "./orders/cli.ts";
import { coreOrder, engineOrder, loopsOrder } from "./orders/engine.ts";
import { httpOrder } from "./orders/http.ts";
import { protoOrder } from "./orders/proto.ts";
import { rpcOrder } from "./orders/rpc.ts";
import { sdkOrder } from "./orders/sdk.ts";
import { storageOrder } from "./orders/storage.ts";
import type { RoomOrder } from "./room-order.ts";

const files = sourceFiles(["src", "proto"]);
const orders = [
  protoOrder,
  coreOrder,
  engineOrder,
  loopsOrder,
  storageOrder,
  sdkOrder,
  cliOrder,
  rpcOrder,
  httpOrder,
].filter(({ rooms }) => rooms.length > 0);

for (const order of orders) {
  const inside = files.filter(({ path }) => path.startsWith(`${order.area}/`));

  describe(order.area, () => {
    test("every file has a room", () => {
      expect(inside.map(({ path }) => path).filter((path) => roomOf(order, path) < 0)).toEqual([]);
    });

    test("every room has files", () => {
      const empty = order.rooms.filter((_, index) => !inside.some(({ path }) => roomOf(order, path) === index));
      expect(empty.map(({ name }) => name)).toEqual([]);
    });

    test("no room imports from a higher one", () => {
      expect(inside.flatMap((file) => upwardImports(order, file))).toEqual([]);
    });

    test("no imports go in a circle", () => {
      expect(circles(inside)).toEqual([]);
    });
  });
}

describe("the search for circles", () => {
  test("finds those that are there, each once, and no others", () => {
    const file = (path: string, ...imports: string[]): SourceFile => ({ path, text: "", code: "", imports });
    const graph = [file("a", "b"), file("b", "c", "d"), file("c", "a"), file("d"), file("e", "f"), file("f", "e")];
    expect(circles(graph)).toEqual(["a, b, c", "e, f"]);
  });
});

function roomOf({ rooms }: RoomOrder, path: string): number {
  return rooms.findIndex((room) => room.files.test(path));
}

function upwardImports(order: RoomOrder, file: SourceFile): readonly string[] {
  const own = roomOf(order, file.path);
  const isHigher = (path: string): boolean => path.startsWith(`${order.area}/`) && roomOf(order, path) > own;
  return file.imports.filter(isHigher).map((path) => `${file.path} imports ${path}`);
}

/** Files that reach each other: the strongly connected components with more than one file (Tarjan, 1972). */
function circles(graph: readonly SourceFile[]): readonly string[] {
  const byPath = new Map(graph.map((file) => [file.path, file]));
  const indexes = new Map<string, number>();
  const stack: string[] = [];
  const found: string[] = [];
  const visit = (path: string): number => {
    const index = indexes.size;
    indexes.set(path, index);
    stack.push(path);
    let low = index;
    for (const next of byPath.get(path)?.imports ?? []) {
      if (!byPath.has(next)) continue;
      if (!indexes.has(next)) low = Math.min(low, visit(next));
      else if (stack.includes(next)) low = Math.min(low, indexes.get(next) ?? low);
    }
    if (low === index) {
      const component = stack.splice(stack.indexOf(path));
      if (component.length > 1) found.push(component.toSorted().join(", "));
    }
    return low;
  };
  for (const { path } of graph) if (!indexes.has(path)) visit(path);
  return found.toSorted();
}
