/** `jobs get --tree`: what a handler called, and how that stands. */
import { expect } from "bun:test";
import { testOnEachStore } from "../support/each-store.ts";
import { reseolioCommand } from "../support/executable.ts";
import { runCommand } from "../support/run-command.ts";

interface Node {
  readonly functionName: string;
  readonly state: string;
  readonly jobId: string;
  readonly children: readonly Node[];
  readonly hasMoreChildren: boolean;
}

testOnEachStore("a tree of jobs is shown level by level, within its bounds", async (store) => {
  await using world = await store.createWorld();
  const app = await world.startClient({ workerConcurrency: 20 });
  const leaf = app.durable("tree:leaf", (n: number) => {
    if (n === 2) throw new Error("withered");
  });
  const branch = app.durable("tree:branch", async () => {
    const leaves = await Promise.all([1, 2, 3].map((n) => leaf(n, { maxAttempts: 1 })));
    await Promise.allSettled(leaves.map((one) => one.result()));
  });
  const trunk = app.durable("tree:trunk", async () => {
    for (const call of [await branch(), await branch()]) await call.result();
  });
  const root = await trunk();
  await root.result(20_000);

  const get = async (...args: string[]): Promise<string> => {
    const command = [...reseolioCommand(), "jobs", "get", root.jobId, ...args, "--addr", world.daemon.address];
    const { stdout, stderr, exitCode } = await runCommand(command);
    expect({ stderr, exitCode }).toEqual({ stderr: "", exitCode: 0 });
    return stdout;
  };

  const whole = JSON.parse(await get("--tree", "--json")) as Node;
  expect(whole).toMatchObject({ functionName: "tree:trunk", state: "SUCCESS", jobId: root.jobId });
  expect(whole.children.map((one) => one.functionName)).toEqual(["tree:branch", "tree:branch"]);
  for (const child of whole.children) {
    expect(child.children.map((one) => one.state).sort()).toEqual(["DEAD", "SUCCESS", "SUCCESS"]);
    expect(child.hasMoreChildren).toBe(false);
  }

  const narrow = JSON.parse(await get("--tree", "--width", "2", "--depth", "2", "--json")) as Node;
  expect(narrow.children[0]).toMatchObject({ hasMoreChildren: true });
  expect(narrow.children[0]!.children).toHaveLength(2);
  const flat = JSON.parse(await get("--tree", "--depth", "0", "--json")) as Node;
  expect(flat).toMatchObject({ children: [], hasMoreChildren: true });

  const lines = (await get("--tree")).trimEnd().split("\n");
  expect(lines.map((line) => line.split("\t")[0]).join("")).toBe("012221222");
  expect((await get("--tree", "-q")).trimEnd().split("\n")).toHaveLength(9);
});
