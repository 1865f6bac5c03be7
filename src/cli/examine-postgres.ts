/** What the doctor sees of a PostgreSQL database beside its daemons. */
import { formatBytes } from "./bytes.ts";
import { examineSchema } from "./examine-storage.ts";
import { type Finding, fine } from "./finding.ts";

/** What is read from the database itself. */
export interface PostgresFacts {
  readonly name: string;
  readonly schemaVersion: number;
  readonly supportedSchemaVersion: number;
  readonly serverVersion: string;
  readonly sizeBytes: number;
}

/** Every finding about the server and the schema. */
export function examinePostgres(database: PostgresFacts): readonly Finding[] {
  return [
    fine("storage", `${database.name}, ${formatBytes(database.sizeBytes)}`),
    examineSchema(database),
    fine("postgres", database.serverVersion),
  ];
}
