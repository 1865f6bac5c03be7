import type { Listing } from "../terminal/output.ts";

/** The result of one check. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly message: string;
  /** How to fix the problem; null if there is none. */
  readonly fix: string | null;
}

export function fine(check: string, message: string): Finding {
  return { check, ok: true, message, fix: null };
}

export function wrong(check: string, message: string, fix: string): Finding {
  return { check, ok: false, message, fix };
}

export const FINDINGS: Listing<Finding> = {
  name: "findings",
  columns: [
    { header: "", value: verdict, short: verdict, paint: (finding) => (finding.ok ? "green" : "red") },
    { header: "CHECK", value: (finding) => finding.check },
    { header: "FINDING", value: (finding) => finding.message },
  ],
  json: (finding) => finding,
  id: (finding) => finding.check,
  empty: "",
};

function verdict(finding: Finding): string {
  return finding.ok ? "ok" : "wrong";
}
