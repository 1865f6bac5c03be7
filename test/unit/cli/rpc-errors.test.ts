import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, test } from "bun:test";
import { cliErrorFrom, isUnavailable } from "../../../src/cli/calls/rpc-errors.ts";
import { EXIT_CODES } from "../../../src/cli/exit.ts";
import { DaemonError } from "../../../src/daemon/core/errors.ts";
import { ConnectionError } from "../../../src/sdk/errors.ts";

describe("what a call threw", () => {
  test.each([
    [Code.InvalidArgument, 2],
    [Code.NotFound, 3],
    [Code.Unauthenticated, 4],
    [Code.PermissionDenied, 4],
    [Code.Unavailable, 5],
    [Code.Canceled, 5],
    [Code.DeadlineExceeded, 6],
    [Code.AlreadyExists, 8],
    [Code.FailedPrecondition, 8],
    [Code.Aborted, 8],
    [Code.ResourceExhausted, 1],
    [Code.Internal, 1],
    [Code.Unknown, 1],
    [Code.Unimplemented, 1],
    [Code.DataLoss, 1],
  ])("code %d of the protocol exits %d with the daemon's words", (code, exitCode) => {
    const error = cliErrorFrom(new ConnectError("these words", code));
    expect(error.exitCode as number).toBe(exitCode);
    expect(error.message).toContain("these words");
  });

  test("a daemon that is not there exits 5 and says how to start one", () => {
    const error = cliErrorFrom(
      new ConnectionError("x:1", "no daemon answers at x:1 (refused); start one with: reseolio serve"),
    );
    expect(error).toMatchObject({ exitCode: 5, message: "no daemon answers at x:1 (refused)" });
    expect(error.hint).toContain("reseolio serve");
  });

  test("a deadline of the transport exits 6, whatever it is wrapped in", () => {
    const cause = new ConnectError("late", Code.DeadlineExceeded);
    expect(cliErrorFrom(new ConnectionError("x:1", "no answer within 5 ms", { cause })).exitCode).toBe(6);
  });

  test("what the network did exits 5, whatever code it was wrapped in", () => {
    const reset = Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
    const broke = cliErrorFrom(new ConnectError("hang up", Code.Aborted, undefined, undefined, reset));
    expect(broke).toMatchObject({ exitCode: 5, message: "lost the connection to the daemon (hang up)" });
    const untrusted = Object.assign(new Error("self signed"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" });
    const refused = cliErrorFrom(new ConnectError("self signed", Code.Internal, undefined, undefined, untrusted));
    expect(refused).toMatchObject({ exitCode: 5, message: "the daemon's certificate is not trusted (self signed)" });
    expect(refused.hint).toContain("--tls-ca");
  });

  test("only what may pass by itself is tried again", () => {
    expect(isUnavailable(new ConnectionError("x:1", "no daemon answers at x:1"))).toBe(true);
    expect(isUnavailable(new ConnectError("cut", Code.Canceled))).toBe(true);
    expect(isUnavailable(new ConnectError("bad", Code.InvalidArgument))).toBe(false);
    expect(isUnavailable(new ConnectError("late", Code.DeadlineExceeded))).toBe(false);
  });

  test.each([
    ["invalid_argument", 2],
    ["not_found", 3],
    ["already_exists", 8],
    ["failed_precondition", 1],
    ["fatal", 1],
  ] as const)("a fault %s of the daemon's own parts exits %d", (code, exitCode) => {
    expect(cliErrorFrom(new DaemonError(code, "why")).exitCode).toBe(exitCode);
  });

  test("anything else is a failure with its message", () => {
    expect(cliErrorFrom(new TypeError("odd"))).toMatchObject({ exitCode: 1, message: "odd" });
    expect(cliErrorFrom("text")).toMatchObject({ exitCode: 1, message: "text" });
  });

  test("every exit code is documented once", () => {
    expect(EXIT_CODES.map(({ code }) => code as number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 130]);
  });
});
