import type { DaemonError } from "../core/errors.ts";
import type { Engine } from "../engine/engine.ts";
import { type HttpRoute, type HttpRoutes, plainText } from "../http/http-route.ts";
import type { PlainAnswer } from "../http/respond.ts";
import { redact } from "../logger.ts";

const METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** A store that does not answer a ping within this time is unhealthy. */
const PING_MS = 2_000;

/**
 * `/healthz`: the process and its event loop are alive; restart it if this does not answer. `/readyz`: the daemon accepts
 * work; otherwise 503 with the reasons as JSON. `/metrics`: metrics for Prometheus.
 */
export function createHttpRoutes(engine: Engine, draining: AbortSignal, metrics: () => Promise<string>): HttpRoutes {
  return new Map<string, HttpRoute>([
    ["/healthz", () => plainText(200, "ok")],
    ["/metrics", async () => ({ status: 200, contentType: METRICS_TYPE, body: await metrics() })],
    ["/readyz", async () => readiness(await findReasons(engine, draining))],
  ]);
}

function readiness(reasons: readonly string[]): PlainAnswer {
  const ready = reasons.length === 0;
  return {
    status: ready ? 200 : 503,
    contentType: "application/json",
    body: `${JSON.stringify({ ready, reasons })}\n`,
    ...(!ready && { headers: { "retry-after": "1" } }),
  };
}

async function findReasons(engine: Engine, draining: AbortSignal): Promise<readonly string[]> {
  const storeFault = await pingFault(engine);
  return [...(draining.aborted ? ["the daemon is stopping"] : []), ...(storeFault === null ? [] : [storeFault])];
}

async function pingFault(engine: Engine): Promise<string | null> {
  const late = Promise.withResolvers<string>();
  const timer = setTimeout(() => late.resolve(`the store did not answer within ${PING_MS} ms`), PING_MS);
  const ping = engine.store.ping().then(
    () => null,
    (error: DaemonError) => `the store does not answer: ${redact(error.message)}`,
  );
  return await Promise.race([ping, late.promise]).finally(() => clearTimeout(timer));
}
