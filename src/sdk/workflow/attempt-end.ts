/** How an attempt ended, before it is converted to the protocol's Outcome. */
export type AttemptEnd =
  | { readonly kind: "success"; readonly result: unknown; readonly bytes: Uint8Array }
  | { readonly kind: "failure"; readonly thrown: unknown };
