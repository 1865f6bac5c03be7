import { describe, expect, test } from "bun:test";
import { CliError } from "../../../src/cli/exit.ts";
import { openMessages } from "../../../src/cli/terminal/messages.ts";

class Sink {
  text = "";
  constructor(readonly isTTY = false) {}
  write(text: string): void {
    this.text += text;
  }
}

describe("messages", () => {
  test("say what failed and what to do, without colours off a terminal", () => {
    const sink = new Sink();
    const messages = openMessages(sink, {}, false);
    messages.error(new CliError("usage", "--x is wrong", { hint: "give --y" }));
    messages.warn("careful");
    messages.success("done");
    messages.info("by the way");
    expect(sink.text).toBe("error: --x is wrong\ngive --y\nwarning: careful\n✓ done\nby the way\n");
  });

  test("have colours on a terminal", () => {
    const sink = new Sink(true);
    openMessages(sink, {}, false).error(new CliError("failed", "no"));
    expect(sink.text).toBe("\u001b[31merror: \u001b[39mno\n");
  });

  test("of a job's making cannot steer the terminal", () => {
    const sink = new Sink();
    openMessages(sink, {}, false).error(new CliError("job_failed", "bad\u001b[2J\u009b\u202e"));
    expect(sink.text).toBe("error: bad\\x1b[2J\\x9b\\u{202e}\n");
  });

  test("with --json are one document, and nothing else is said", () => {
    const sink = new Sink();
    const messages = openMessages(sink, {}, true);
    messages.info("x");
    messages.warn("y");
    messages.success("z");
    messages.error(new CliError("not_found", "no \u001b[2J"));
    expect(sink.text.split("\n")).toHaveLength(2);
    expect(JSON.parse(sink.text)).toEqual({ error: { code: "not_found", message: "no \u001b[2J", hint: null } });
    expect(sink.text).not.toContain("\u001b");
  });
});

describe("progress", () => {
  test("is drawn on a terminal after a while and wiped at its end; never in a pipe, in CI or with --json", async () => {
    const terminal = new Sink(true);
    const others = [
      { sink: new Sink(false), env: {}, json: false },
      { sink: new Sink(true), env: { CI: "1" }, json: false },
      { sink: new Sink(true), env: { TERM: "dumb" }, json: false },
      { sink: new Sink(true), env: {}, json: true },
    ];
    const shown = openMessages(terminal, {}, false).progress("sent", 100);
    const hidden = others.map(({ sink, env, json }) => openMessages(sink, env, json).progress("sent", 100));
    shown.update(1);
    expect(terminal.text).toBe("");
    const deadline = performance.now() + 10_000;
    for (let done = 2; terminal.text === "" && performance.now() < deadline; done++) {
      for (const progress of [...hidden, shown]) progress.update(done);
      await Bun.sleep(5);
    }
    expect(terminal.text).toMatch(/^\r\u001b\[Ksent \d+ of 100, \d+\/s$/);
    shown.end();
    for (const progress of hidden) progress.end();
    expect(terminal.text).toEndWith("\r\u001b[K");
    expect(others.map(({ sink }) => sink.text)).toEqual(["", "", "", ""]);
  });
});
