/**
 * Turns of the event loop, counted for all handlers of the process: two calls in one turn get the same number. A turn
 * ends when its microtasks are done and the next `setImmediate` comes.
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
