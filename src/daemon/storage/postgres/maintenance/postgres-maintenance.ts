import { parsePostgresUrl } from "../connection/address.ts";
import { backupAdvice } from "./backup-advice.ts";
import { checkPostgresDatabase, type PostgresCheckReport } from "./check-database.ts";
import { openPostgresSource, openPostgresTarget } from "./copy-side.ts";
import { describePostgresDatabase, type PostgresDescription } from "./describe-database.ts";
import { examinePostgresDatabase, type PostgresExamination } from "./examine-database.ts";
import { migratePostgresDatabase, type PostgresMigration } from "./migrate-database.ts";

/** Maintenance of one schema. */
export class PostgresMaintenance {
  readonly #url: string;

  constructor(url: string) {
    this.#url = url;
  }

  get name(): string {
    return parsePostgresUrl(this.#url).name;
  }

  migrate(): Promise<PostgresMigration> {
    return migratePostgresDatabase(this.#url);
  }

  check(): Promise<PostgresCheckReport> {
    return checkPostgresDatabase(this.#url);
  }

  /** PostgreSQL has its own tool, which the error names. */
  async backup(destination: string): Promise<never> {
    throw backupAdvice(this.#url, destination);
  }

  describe(): Promise<PostgresDescription> {
    return describePostgresDatabase(this.#url);
  }

  examine(): Promise<PostgresExamination> {
    return examinePostgresDatabase(this.#url);
  }

  openSource() {
    return openPostgresSource(this.#url);
  }

  openTarget() {
    return openPostgresTarget(this.#url);
  }
}
