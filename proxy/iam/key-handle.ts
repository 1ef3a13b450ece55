/**
 * How an access key is named where its id is not known: sealed ids are not stored, so a listing shows the slot, in the form
 * of an access key id (16 letters and digits, which is the least that AWS's clients send).
 */
const PREFIX = 'SEALGATE';

/** `slot`: 8 hex digits. */
export function handleOf(slot: string): string {
  return `${PREFIX}${slot}`;
}

/** The slot of a handle; `undefined` when the text is none. */
export function slotOfHandle(text: string): string | undefined {
  return text.startsWith(PREFIX) && /^[0-9a-f]{8}$/.test(text.slice(PREFIX.length))
    ? text.slice(PREFIX.length)
    : undefined;
}
