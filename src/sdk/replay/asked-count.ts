/**
 * Packs how much a handler has asked for into the one number that a record stores: operations, and answers to calls
 * that it has received. Both are counted, as otherwise one more operation would make up for a missing answer.
 */

/** Weight of one answer; exceeds the number of operations that a job may record. */
const ANSWER = 16_384;
/** Limit of what the stores can hold. */
const MAX_ANSWERS = 1_023;

export function askedCount(operations: number, answers: number): number {
  return Math.min(operations, ANSWER - 1) + ANSWER * Math.min(answers, MAX_ANSWERS);
}

export function operationsIn(asked: number): number {
  return asked % ANSWER;
}

export function answersIn(asked: number): number {
  return Math.floor(asked / ANSWER);
}

/** Whether there may have been more answers than the number can hold. */
export function isAnswersFull(asked: number): boolean {
  return answersIn(asked) === MAX_ANSWERS;
}
