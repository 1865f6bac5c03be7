import { CliError } from "../exit.ts";

/**
 * Standard output for data. Writes wait until the reader took them, so that large outputs neither pile up in memory nor
 * are cut off at exit; a reader that left (as `head` does) ends the output quietly.
 */
export interface Stdout {
  readonly isTerminal: boolean;
  /** Columns of the terminal; undefined off one, and when it does not know. */
  readonly columns: number | undefined;
  /** The reader is gone: further writes do nothing. */
  readonly closed: boolean;
  /** @throws CliError `failed` when it cannot be written for another reason than a reader that left */
  write(text: string): Promise<void>;
}

export function openStdout(stream: NodeJS.WriteStream = process.stdout): Stdout {
  return new StreamStdout(stream);
}

class StreamStdout implements Stdout {
  closed = false;
  private fault: Error | undefined;

  constructor(private readonly stream: NodeJS.WriteStream) {
    // Without a listener a reader that left would end the process with a stack.
    stream.on("error", (error) => this.onError(error));
  }

  get isTerminal(): boolean {
    return this.stream.isTTY;
  }

  get columns(): number | undefined {
    // A terminal that nobody gave a size says 0.
    return this.isTerminal && this.stream.columns > 0 ? this.stream.columns : undefined;
  }

  async write(text: string): Promise<void> {
    if (!this.closed && text !== "") await this.writeThrough(text);
    // A reader that left wants no more; a full disk has swallowed what somebody wanted.
    if (this.fault !== undefined) throw new CliError("failed", `stdout cannot be written: ${this.fault.message}`);
  }

  private writeThrough(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.stream.write(text, (error) => {
        if (error) this.onError(error);
        resolve();
      });
    });
  }

  private onError(error: Error): void {
    this.closed = true;
    if (!("code" in error) || error.code !== "EPIPE") this.fault = error;
  }
}
