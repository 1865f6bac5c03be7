import { describe, expect, test } from "bun:test";
import { styleFor, timelineLine } from "../../../scripts/demo/timeline.ts";

describe("the demo's timeline", () => {
  test("keeps its columns, whoever acts and with or without colours", () => {
    const plain = timelineLine(1.234, "app", "starts", { color: false });
    expect(plain).toBe("    1.23 s  app       starts");
    expect(timelineLine(12.5, "receiver", "listens", { color: false })).toBe("   12.50 s  receiver  listens");
    const colored = timelineLine(1.234, "app", "starts", { color: true });
    expect(colored).not.toBe(plain);
    // oxlint-disable-next-line no-control-regex
    expect(colored.replaceAll(/\u001b\[[\d;]*m/g, "")).toBe(plain);
  });

  test("is coloured on a terminal, and as NO_COLOR, FORCE_COLOR and TERM say", () => {
    expect(styleFor({}, true).color).toBe(true);
    expect(styleFor({}, false).color).toBe(false);
    expect(styleFor({ FORCE_COLOR: "1" }, false).color).toBe(true);
    expect(styleFor({ NO_COLOR: "1", FORCE_COLOR: "1" }, true).color).toBe(false);
    expect(styleFor({ TERM: "dumb" }, true).color).toBe(false);
  });
});
