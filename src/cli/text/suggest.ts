/** The known word that was probably meant; undefined if none is similar enough. */
export function suggest(word: string, known: readonly string[]): string | undefined {
  const limit = word.length <= 3 ? 1 : word.length <= 6 ? 2 : 3;
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const candidate of known) {
    const distance = isTruncation(word, candidate) ? 1 : editDistance(word, candidate);
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** The end of an error message, such as `; did you mean DEAD?`; empty if no known word is similar enough. */
export function didYouMean(
  word: string,
  known: readonly string[],
  show: (near: string) => string = (near) => near,
): string {
  const near = suggest(word, known);
  return near === undefined ? "" : `; did you mean ${show(near)}?`;
}

function isTruncation(word: string, candidate: string): boolean {
  return word.length >= 3 && candidate.startsWith(word);
}

/** Number of insertions, deletions, replacements and swaps of adjacent letters that turn one word into the other. */
export function editDistance(from: string, to: string): number {
  const rows: number[][] = [Array.from({ length: to.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) current.push(cell(rows, current, from, to, row, column));
    rows.push(current);
  }
  return rows[from.length]?.[to.length] ?? 0;
}

function cell(rows: number[][], current: number[], from: string, to: string, row: number, column: number): number {
  const same = from[row - 1] === to[column - 1];
  const above = rows[row - 1] ?? [];
  const distance = Math.min(
    (above[column] ?? 0) + 1,
    (current[column - 1] ?? 0) + 1,
    (above[column - 1] ?? 0) + (same ? 0 : 1),
  );
  const swapped = row > 1 && column > 1 && from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
  return swapped ? Math.min(distance, (rows[row - 2]?.[column - 2] ?? 0) + 1) : distance;
}
