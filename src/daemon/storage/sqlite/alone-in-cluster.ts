import type { ClusterPart } from "../seam/cluster.ts";

/** No other daemon can write the file (P18): this one always leads and hears of nobody. */
export function aloneInCluster(now: () => number): ClusterPart {
  return {
    listen: async () => ({ wantChanges: async () => {}, stop: async () => {} }),
    lead: async (nodeId, leaseMs) => ({ nodeId, term: 1, expiresAt: now() + leaseMs }),
    resign: async () => {},
  };
}
