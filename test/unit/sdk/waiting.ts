/**
 * What a promise is rejected with. Instead of `expect(promise).rejects`, which in Bun runs the event loop inside itself:
 * called from a socket's callback, it keeps that socket from being read and the promise never settles.
 */
export async function faultOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("the promise was fulfilled");
}

/** Polls a condition of this process. */
export async function until(condition: () => boolean, withinMs = 10_000): Promise<void> {
  const endAt = performance.now() + withinMs;
  while (!condition()) {
    if (performance.now() > endAt) throw new Error(`did not come true within ${withinMs} ms: ${condition.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
