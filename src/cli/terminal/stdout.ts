import { CliError } from "../exit.ts";

/**
 * Standard output for data. Each write waits for the reader, so that large outputs neither accumulate in memory nor are
 * truncated at exit. A reader that closes the pipe (such as `head`) ends the output silently.
 */
export interface Stdout {
  readonly isTerminal: boolean;
  /** Width of the terminal; undefined without a terminal, or if the width is unknown. */
  readonly columns: number | undefined;
  /** Whether the reader has closed the pipe; further writes have no effect. */
  readonly closed: boolean;
  /** @throws CliError `failed` if writing fails for any reason other than a closed pipe */
  write(text: string): Promise<void>;
}

export function openStdout(stream: NodeJS.WriteStream = process.stdout): Stdout {
  return new StreamStdout(stream);
}

class StreamStdout implements Stdout {
  closed = false;
  #fault: Error | undefined;
  readonly #stream: NodeJS.WriteStream;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    // Without a listener, a closed pipe would crash the process.
    stream.on("error", (error) => this.#onError(error));
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY;
  }

  get columns(): number | undefined {
    // A terminal without a size reports 0.
    return this.isTerminal && this.#stream.columns > 0 ? this.#stream.columns : undefined;
  }

  async write(text: string): Promise<void> {
    if (!this.closed && text !== "") await this.#writeThrough(text);
    // A closed pipe is not an error; a full disk is.
    if (this.#fault !== undefined) throw new CliError("failed", `cannot write to stdout: ${this.#fault.message}`);
  }

  #writeThrough(text: string): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.write(text, (error) => {
        if (error) this.#onError(error);
        resolve();
      });
    });
  }

  #onError(error: Error): void {
    this.closed = true;
    if (!("code" in error) || error.code !== "EPIPE") this.#fault = error;
  }
}
