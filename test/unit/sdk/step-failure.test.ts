import { expect, test } from "bun:test";
import { NO_BYTES } from "#proto/contract.ts";
import type { JobError } from "#proto/gen/reseolio/v1/job_pb.ts";
import { errorOf } from "../../../src/sdk/workflow/step-failure.ts";

function recorded(name: string): JobError {
  return { $typeName: "reseolio.v1.JobError", name, message: "no", stack: "", reason: "" };
}

test.each(["TypeError", "RangeError"])("a %s of a step is one again", (name) => {
  expect(errorOf(recorded(name), NO_BYTES)).toBeInstanceOf(name === "TypeError" ? TypeError : RangeError);
});

test.each(["MyError", "constructor", "__proto__", "toString", ""])(
  "an error of the class %p is an Error of that name",
  (name) => {
    const error = errorOf(recorded(name), NO_BYTES);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name, message: "no" });
  },
);
