/**
 * The messages for which code without reflection is generated, and what is known about their values. Everything that a
 * frame contains and that is not listed here is encoded and decoded by `@bufbuild/protobuf`.
 */
import type { JsonValue } from "@bufbuild/protobuf";

/** What the plugin cannot see in the `.proto` files. */
export interface HotMessage {
  /** String fields that usually have the same value as in the message before. */
  readonly repeated?: readonly string[];
  /** Message fields whose value is often one and the same immutable object: its bytes are kept. */
  readonly memoized?: readonly string[];
  /** The usual value as protobuf JSON: decoded as one frozen object. */
  readonly usual?: JsonValue;
}

export const PACKAGE = "reseolio.v1";

/** By name within the package. */
export const HOT_MESSAGES: Readonly<Record<string, HotMessage>> = {
  SessionRequest: {},
  // A function's calls share its options.
  NewJob: { repeated: ["function_name"], memoized: ["options"] },
  Outcome: {},
  Release: {},
  NewCheckpoint: {},
  Checkpoint: {},
  SessionResponse: {},
  Reply: {},
  // Stored, under the ID that the client chose.
  EnqueueResult: { usual: { job: {} } },
  EnqueuedJob: {},
  RecordResult: {},
  Assignment: { repeated: ["function_name"] },
  OpenWait: {},
  RecordedCheckpoint: {},
  FinishedJob: {},
};

/** One end of a session: its code is one generated file. */
export interface StreamEnd {
  /** Its name, in the folder of the package. */
  readonly file: string;
  readonly encodes: string;
  readonly decodes: string;
}

/** Two files, so that the npm package does not ship the daemon's code. */
export const STREAM_ENDS: readonly StreamEnd[] = [
  { file: "session_client_frames", encodes: "SessionRequest", decodes: "SessionResponse" },
  { file: "session_daemon_frames", encodes: "SessionResponse", decodes: "SessionRequest" },
];
