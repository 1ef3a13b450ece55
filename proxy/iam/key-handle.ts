/**
 * Names an access key whose id is not known. Sealed ids are not stored, so a listing shows the slot, in the form of an access key
 * id (16 letters and digits, the least that AWS clients send).
 */
const PREFIX = 'SEALGATE';

/** `slot`: 8 hex digits. */
export function handleOf(slot: string): string {
  return `${PREFIX}${slot}`;
}

/** The slot of a handle; `undefined` when the text is not a handle. */
export function slotOfHandle(text: string): string | undefined {
  return text.startsWith(PREFIX) && /^[0-9a-f]{8}$/.test(text.slice(PREFIX.length))
    ? text.slice(PREFIX.length)
    : undefined;
}
