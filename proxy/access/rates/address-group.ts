/**
 * What counts as one address: an IPv4 address, and of IPv6 the network of 64 bits, since whoever has one address of such a network
 * has 2^64 of them (RFC 4291, section 2.5.1; RFC 6177).
 */
const GROUPS = 8;
const NETWORK_GROUPS = 4;

/** `address`: as `plainAddress` writes it. */
export function addressGroup(address: string): string {
  if (!address.includes(':')) return address;
  const [left = '', right] = address.split('::');
  const before = groupsOf(left);
  const after = right === undefined ? [] : groupsOf(right);
  const zeros = right === undefined ? [] : Array.from({ length: GROUPS - before.length - after.length }, () => '0');
  return [...before, ...zeros, ...after].slice(0, NETWORK_GROUPS).join(':');
}

/** An address may end with an IPv4 one, which stands for two groups. */
function groupsOf(text: string): string[] {
  return text === '' ? [] : text.split(':').flatMap((group) => (group.includes('.') ? [group, ''] : [group]));
}
