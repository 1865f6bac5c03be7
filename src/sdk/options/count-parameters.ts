/**
 * How many arguments a handler takes, those with a default included, which its `length` leaves out; infinite with a rest
 * parameter. Reads the text of the function: bundlers and minifiers keep its parameters.
 */
export function countParameters(handler: { readonly length: number; toString(): string }): number {
  const text = handler.toString();
  // A bound function does not show its parameters; its length is what is left of them.
  return text.includes("[native code]") ? handler.length : countIn(text);
}

/** Strings and comments may hold brackets and commas. */
const TOKEN =
  /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\[^])*`|\/\/[^\n]*|\/\*[^]*?\*\/|\.\.\.|=>|[()[\]{},]|[^\s]/g;

/** Counts the parameters in the list that comes first, up to its closing bracket. */
function countIn(text: string): number {
  const open: string[] = [];
  let count = 0;
  let isEmpty = true;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token.startsWith("//") || token.startsWith("/*")) continue;
    // `one => …`, without brackets.
    if (token === "=>" && open.length === 0) return 1;
    const isInList = open.length === 1 && open[0] === "(";
    if (isInList && token === "...") return Number.POSITIVE_INFINITY;
    if (isInList && token === ")") return isEmpty ? count : count + 1;
    if (isInList) isEmpty = token === ",";
    if (isInList && token === ",") count++;
    if ("([{".includes(token)) open.push(token);
    else if (")]}".includes(token)) open.pop();
  }
  return count;
}
