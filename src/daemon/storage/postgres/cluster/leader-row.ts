import type { Leadership } from "../../seam/cluster.ts";
import { readText, storedText } from "../connection/literals.ts";
import type { Runner } from "../connection/runner.ts";

const LEAD = `with taken as (
    insert into reseolio.leader as held (node_id, term, expires_at)
    values ($1, 1, reseolio.now_ms() + $2::bigint)
    on conflict (is_only) do update set node_id = excluded.node_id, expires_at = excluded.expires_at,
      term = held.term + case when held.node_id = $1 and held.expires_at > reseolio.now_ms() then 0 else 1 end
    where held.node_id = $1 or held.expires_at <= reseolio.now_ms()
      or (held.term = $3::bigint and held.expires_at = $4::bigint)
    returning node_id, term, expires_at
  )
  select node_id, term, expires_at, true from taken
  union all
  select node_id, term, expires_at, false from reseolio.leader where not exists (select 1 from taken)`;

/** Keeps the term: the next leader has a higher one. */
const RESIGN = "update reseolio.leader set expires_at = 0 where node_id = $1";

export async function lead(
  reads: Runner,
  nodeId: string,
  leaseMs: number,
  unmoved: Leadership | null,
): Promise<Leadership> {
  const params = [storedText(nodeId), Math.ceil(leaseMs), unmoved?.term ?? null, unmoved?.expiresAt ?? null];
  const [row] = await reads.rows(LEAD, params);
  // Another daemon took the lead at the same moment: the row that is read is the one before, which may name us.
  if (row === undefined || (row[3] === false && readText(row[0] as string) === nodeId)) {
    return { nodeId: "", term: 0, expiresAt: 0 };
  }
  return { nodeId: readText(row[0] as string), term: row[1] as number, expiresAt: row[2] as number };
}

export async function resign(reads: Runner, nodeId: string): Promise<void> {
  await reads.rows(RESIGN, [storedText(nodeId)]);
}
