import type { Stdout } from "../../src/cli/terminal/stdout.ts";

/** A stdout that keeps what is written. */
export class Recorder implements Stdout {
  text = "";
  readonly closed = false;
  constructor(
    readonly isTerminal = false,
    readonly columns = isTerminal ? 200 : undefined,
  ) {}
  write(text: string): Promise<void> {
    this.text += text;
    return Promise.resolve();
  }
}
