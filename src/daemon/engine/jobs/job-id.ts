/** Shape of an id that a caller may choose: a UUID of version 7, in lower case. */
const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function isJobId(text: string): boolean {
  return UUID_V7.test(text);
}

/** Any UUID: what may be looked up without finding anything. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
