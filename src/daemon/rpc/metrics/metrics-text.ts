type Labels = Readonly<Record<string, string>>;
type Sample = readonly [Labels, number];

export interface HistogramSamples {
  /** Upper bounds in ascending order, without the infinite one. */
  readonly bounds: readonly number[];
  /** Number of observations per bucket, not cumulative. */
  readonly buckets: readonly number[];
  /** Number and sum of all observations. */
  readonly count: number;
  readonly sum: number;
}

/** Writes the Prometheus text format, version 0.0.4. */
export class MetricsText {
  readonly #lines: string[] = [];

  gauge(name: string, help: string, samples: readonly Sample[]): void {
    this.#head(name, help, "gauge");
    for (const [labels, value] of samples) this.#sample(name, labels, value);
  }

  counter(name: string, help: string, samples: readonly Sample[]): void {
    this.#head(name, help, "counter");
    for (const [labels, value] of samples) this.#sample(name, labels, value);
  }

  histogram(name: string, help: string, { bounds, buckets, count, sum }: HistogramSamples): void {
    this.#head(name, help, "histogram");
    let below = 0;
    for (const [index, bound] of bounds.entries()) {
      below += buckets[index] ?? 0;
      this.#sample(`${name}_bucket`, { le: String(bound) }, below);
    }
    this.#sample(`${name}_bucket`, { le: "+Inf" }, count);
    this.#sample(`${name}_sum`, {}, sum);
    this.#sample(`${name}_count`, {}, count);
  }

  toString(): string {
    return `${this.#lines.join("\n")}\n`;
  }

  #head(name: string, help: string, type: string): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
  }

  #sample(name: string, labels: Labels, value: number): void {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
    this.#lines.push(`${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`);
  }
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
