/** P11: what a handler was given in an order, every later execution is given in that order. */
import { expect } from "bun:test";
import { testInterrupted } from "../../support/replay-world.ts";

interface Saved {
  readonly item: string;
  readonly page: string;
  readonly key: string;
  readonly receipt: string;
}

for (const slow of ["in its first step", "between its steps", "in its last step"] as const) {
  testInterrupted(
    `P11: each branch of Promise.all finds its own records, one slow ${slow} (R1)`,
    "replay/order",
    async (world) => {
      const job = await world.start<readonly Saved[]>("replay:branches", "items", [slow]);
      await world.interrupt(["items"]);
      const saved = await job.result(20_000);
      expect(saved.map(({ item, page, receipt }) => ({ item, page, receipt }))).toEqual([
        { item: "slow", page: "page of slow", receipt: "receipt of slow" },
        { item: "fast", page: "page of fast", receipt: "receipt of fast" },
      ]);
      expect(saved.map(({ item, key }) => `saved ${item} as ${key}`).toSorted()).toEqual(
        world.effectsOf("items").toSorted(),
      );
      expect(world.executionsOf("items")).toBeGreaterThan(1);
    },
    // A handler with a step under way is not parked, so its memory is not given up.
    slow === "in its last step" ? ["kill -9"] : undefined,
  );
}

for (const over of ["waits", "steps", "children"] as const) {
  testInterrupted(
    `P11: the winner of race and any over ${over} stays the winner (R2)`,
    "replay/order",
    async (world) => {
      const forms = ["race", "any"] as const;
      const jobs = await Promise.all(forms.map((form) => world.start<string>("replay:race", form, [form, over])));
      for (const form of forms) await world.client.emitEvent(`${form} is paid`);
      await world.interrupt(forms);
      expect(await Promise.all(jobs.map((job) => job.result(20_000)))).toEqual(["fast", "fast"]);
      for (const form of forms) expect(world.effectsOf(form)).toEqual(["shipped"]);
      for (const form of forms) expect(world.executionsOf(form)).toBeGreaterThan(1);
    },
  );
}
