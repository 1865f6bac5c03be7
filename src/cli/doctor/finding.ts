import type { Listing } from "../terminal/output.ts";

/** What the doctor says about one thing. */
export interface Finding {
  readonly check: string;
  readonly ok: boolean;
  readonly message: string;
  /** How to mend it; null when nothing is wrong. */
  readonly mend: string | null;
}

export function fine(check: string, message: string): Finding {
  return { check, ok: true, message, mend: null };
}

export function wrong(check: string, message: string, mend: string): Finding {
  return { check, ok: false, message, mend };
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
