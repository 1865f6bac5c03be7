/**
 * Counts turns of the event loop for all handlers of the process: two calls in one turn return the same number. A turn
 * ends when its microtasks are done and the next `setImmediate` callback runs.
 */
let turn = 0;
let isEnding = false;

export function currentTurn(): number {
  if (!isEnding) {
    isEnding = true;
    setImmediate(endTurn);
  }
  return turn;
}

function endTurn(): void {
  isEnding = false;
  turn++;
}
