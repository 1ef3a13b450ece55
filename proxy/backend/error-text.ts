/**
 * Which words of a store's error a client may read. A store's text may hold what is the operator's alone: the proxy's access
 * key id, its account, the address of the store. So elements pass by name, and a value that looks like one of those does not.
 */

/**
 * Elements that speak of the client's own request. Left out are names (the proxy writes the client's own), and whatever is
 * counted or digested of the sealed body: sizes, ranges, ETags, digests, part numbers.
 */
export const PASSED_ELEMENTS = [
  'Condition',
  'ArgumentName',
  'ArgumentValue',
  'Header',
  'TagKey',
  'TagValue',
  'LocationConstraint',
  'StorageClass',
  'StorageClassRequested',
  'AccessTier',
  'Method',
  'ResourceType',
] as const;

const MAX_CHARS = 1_024;

/** An address, an ARN, an access key id (of 16 characters or more, as AWS has them), a host name of three labels. */
const OF_THE_OPERATOR =
  /:\/\/|\barn:|\b\d{1,3}(\.\d{1,3}){3}\b|\b[A-Z0-9]{16,}\b|\b[\w-]{1,63}(\.[\w-]{1,63}){2,}|localhost/;

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

export function isFitForClients(text: string): boolean {
  return text.length <= MAX_CHARS && !CONTROL.test(text) && !OF_THE_OPERATOR.test(text);
}
