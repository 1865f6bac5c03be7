import { describe, expect, test } from "bun:test";
import { wantsColor } from "../../../src/cli/terminal/color.ts";

describe("colours", () => {
  test.each([
    ["a terminal", true, {}, true],
    ["a pipe", false, {}, false],
    ["NO_COLOR", true, { NO_COLOR: "1" }, false],
    ["an empty NO_COLOR", true, { NO_COLOR: "" }, true],
    ["TERM=dumb", true, { TERM: "dumb" }, false],
    ["CI", true, { CI: "true" }, false],
    ["CI=false", true, { CI: "false" }, true],
    ["FORCE_COLOR into a pipe", false, { FORCE_COLOR: "1" }, true],
    ["FORCE_COLOR=0 on a terminal", true, { FORCE_COLOR: "0" }, false],
    ["FORCE_COLOR against NO_COLOR", true, { FORCE_COLOR: "1", NO_COLOR: "1" }, false],
    ["FORCE_COLOR in CI", false, { FORCE_COLOR: "1", CI: "1" }, true],
  ])("%s", (_case, isTerminal, env, wanted) => {
    expect(wantsColor(isTerminal, env)).toBe(wanted);
  });
});
