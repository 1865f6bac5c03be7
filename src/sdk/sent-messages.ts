/**
 * The outcome of emitting an event.
 *
 * @example
 * ```ts
 * const { created, woken } = await reseolio.emitEvent("paid:1001", { cents: 4200 });
 * console.log(created ? `${woken} jobs were waiting` : "it was emitted before: the first payload is kept");
 * ```
 */
export interface EmittedEvent {
  /** False when the event had been emitted before: its first payload is kept. */
  readonly created: boolean;
  /** Number of jobs that were waiting for it. */
  readonly woken: number;
}

/**
 * The outcome of sending a signal.
 *
 * @example
 * ```ts
 * const { taken } = await job.signal("approved", { by: "Ada" });
 * console.log(taken ? "the job was waiting for it" : "it is kept until the job awaits it");
 * ```
 */
export interface SentSignal {
  /** True when the job was waiting for it. */
  readonly taken: boolean;
}
