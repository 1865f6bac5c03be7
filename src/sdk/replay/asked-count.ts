/**
 * What a handler has asked for, in the one number that a record has for it: operations, and answers to calls that were on
 * their way to it. Both are needed: an operation more would else make up for an answer that is still to come.
 */

/** More operations than a job may record. */
const ANSWER = 16_384;
/** What the stores have room for. */
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

/** Nobody knows whether there were more. */
export function isAnswersFull(asked: number): boolean {
  return answersIn(asked) === MAX_ANSWERS;
}
