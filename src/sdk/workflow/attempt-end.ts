/** How an attempt ended, before it is said in the protocol's words. */
export type AttemptEnd =
  | { readonly kind: "success"; readonly result: unknown; readonly bytes: Uint8Array }
  | { readonly kind: "failure"; readonly thrown: unknown };
