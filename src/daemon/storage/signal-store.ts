/** The part of the seam that signals need: the mailbox of a job. */
import type { JobState } from "../core/job.ts";
import type { ParkedJob } from "./checkpoint-store.ts";

/** Reads; committed state only. */
export interface SignalReads {
  /** How many signals of each name the job has not taken yet. */
  countSignals(jobId: string): Promise<ReadonlyMap<string, number>>;
}

/** Writes, and the reads that decide them. */
export interface SignalTransaction {
  /**
   * Puts each signal behind those that its job got before; the job's first wait for it, if there is one, takes it at
   * once. Holds the jobs until the end of the transaction. One outcome for each item, in order.
   */
  sendSignals(items: readonly SignalToStore[]): Promise<SentSignals>;
}

export interface SignalToStore {
  /** Chosen by the sender: the same one again changes nothing and has the same outcome. */
  readonly signalId: string;
  readonly jobId: string;
  readonly name: string;
  readonly payload: Uint8Array;
}

export interface SentSignals {
  readonly outcomes: readonly SignalOutcome[];
  /** The parked jobs that they wake. */
  readonly woken: readonly ParkedJob[];
}

export type SignalOutcome =
  /** Stored, now or by an earlier send; `taken` when a wait took it as it arrived. */
  | { readonly kind: "sent"; readonly taken: boolean }
  | { readonly kind: "unknown_job" }
  | { readonly kind: "ended"; readonly state: JobState }
  /** The job has not taken SIGNAL_LIMITS.waitingPerJob others yet. */
  | { readonly kind: "full" }
  /** The id is that of a signal to another job. */
  | { readonly kind: "id_taken"; readonly jobId: string };
