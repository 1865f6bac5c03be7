const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Whether a caller may choose it as an ID: a UUID of version 7, in lower case. */
export function isUuidV7(text: string): boolean {
  return UUID_V7.test(text);
}

/** Whether it is a UUID of any version, in lower case: what may be looked up. */
export function isUuid(text: string): boolean {
  return UUID.test(text);
}
