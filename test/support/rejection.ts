/**
 * Returns the error that a promise rejects with; throws if it is fulfilled. For `expect(await rejection(...))`: Bun's
 * own `expect(...).rejects` waits without letting sockets move, so a call over the network never ends inside it.
 */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await promise;
  } catch (error) {
    return error;
  }
  throw new Error(`a failure was expected, this came instead: ${JSON.stringify(value)}`);
}
