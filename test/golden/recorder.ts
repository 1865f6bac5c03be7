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

/** Lines that would wrap on a terminal of 80 columns. */
export function linesOver80(text: string): readonly string[] {
  return text.split("\n").filter((line) => Bun.stringWidth(line) > 80);
}
