/**
 * Standard output for data. Writes wait until the reader took them, so that large outputs neither pile up in memory nor
 * are cut off at exit; a reader that left (as `head` does) ends the output quietly.
 */
export interface Stdout {
  readonly isTerminal: boolean;
  /** Columns of the terminal; undefined off one. */
  readonly columns: number | undefined;
  /** The reader is gone: further writes do nothing. */
  readonly closed: boolean;
  write(text: string): Promise<void>;
}

export function openStdout(stream: NodeJS.WriteStream = process.stdout): Stdout {
  return new StreamStdout(stream);
}

class StreamStdout implements Stdout {
  closed = false;

  constructor(private readonly stream: NodeJS.WriteStream) {
    // Without a listener a reader that left would end the process with a stack.
    stream.on("error", () => {
      this.closed = true;
    });
  }

  get isTerminal(): boolean {
    return this.stream.isTTY;
  }

  get columns(): number | undefined {
    return this.isTerminal ? this.stream.columns : undefined;
  }

  write(text: string): Promise<void> {
    if (this.closed || text === "") return Promise.resolve();
    return new Promise((resolve) => {
      this.stream.write(text, (error) => {
        if (error) this.closed = true;
        resolve();
      });
    });
  }
}
