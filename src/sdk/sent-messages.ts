/**
 * What became of an emitted event.
 *
 * @example
 * ```ts
 * const { created, woken } = await reseolio.emitEvent("paid:1001", { cents: 4200 });
 * console.log(created ? `${woken} jobs were waiting` : "it had happened before: its first payload is kept");
 * ```
 */
export interface EmittedEvent {
  /** False when it had happened before: the payload of then is kept. */
  readonly created: boolean;
  /** Jobs that were waiting for it. */
  readonly woken: number;
}

/**
 * What became of a signal.
 *
 * @example
 * ```ts
 * const { taken } = await job.signal("approved", { by: "Ada" });
 * console.log(taken ? "the job was waiting for it" : "it is kept until the job awaits it");
 * ```
 */
export interface SentSignal {
  /** The job was waiting for it. */
  readonly taken: boolean;
}
