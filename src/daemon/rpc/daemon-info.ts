/** Facts about this daemon that do not change while it runs. */
export interface DaemonInfo {
  readonly version: string;
  readonly nodeId: string;
  readonly storageKind: "sqlite" | "postgres";
  /** Absolute path, or host, port and database; never a password. */
  readonly storageName: string;
  readonly startedAt: number;
  readonly pid: number;
  readonly hostId: string;
  /** Whether the daemon exits after its last client disconnects. */
  readonly lingering: boolean;
}
