/**
 * Addresses and blocks of addresses, both families, in one form: an IPv4 address that came as an IPv6 one (`::ffff:a.b.c.d`, in
 * whatever spelling) is an IPv4 address, and an IPv6 address has its shortest spelling (RFC 5952) and no zone.
 */
import { BlockList, isIP, SocketAddress } from 'node:net';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;
const MAPPED_BITS = 96;
const ZONE = /%.*$/;

/** `undefined`: no address. */
export function plainAddress(text: string): string | undefined {
  const mapped = MAPPED.exec(text)?.[1];
  const bare = mapped ?? text.replace(ZONE, '');
  const family = isIP(bare);
  if (family !== 6) return family === 4 ? bare : undefined;
  const { address } = new SocketAddress({ address: bare, family: 'ipv6' });
  return MAPPED.exec(address)?.[1] ?? address;
}

/** Whether an address lies in one of the blocks; undefined when it is no address. */
export type InBlocks = (address: string) => boolean | undefined;

/** What was given as a block is none. */
export class InvalidBlock extends Error {
  readonly code = 'INVALID_BLOCK';
  constructor(block: string) {
    super(`${JSON.stringify(block)} is no address and no block of addresses, such as 203.0.113.0/24 or 2001:db8::/32.`);
    this.name = 'InvalidBlock';
  }
}

/** `blocks`: addresses, or blocks as `203.0.113.0/24`. @throws InvalidBlock */
export function addressBlocks(blocks: readonly string[]): InBlocks {
  const list = new BlockList();
  for (const block of blocks) addBlock(list, block);
  return (text) => {
    const address = plainAddress(text);
    if (address === undefined) return undefined;
    // Asking the list costs an object of the system, for every request.
    return blocks.length > 0 && list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
  };
}

function addBlock(list: BlockList, block: string): void {
  const [given = '', bits, more] = block.split('/');
  const longest = isIP(given) === 4 ? 32 : 128;
  const prefix = bits === undefined ? longest : Number(bits);
  const isWhole = bits === undefined || /^\d{1,3}$/.test(bits);
  const address = plainAddress(given);
  if (address === undefined || given.includes('%') || more !== undefined || !isWhole || prefix > longest) {
    throw new InvalidBlock(block);
  }
  if (isIP(address) === 6) list.addSubnet(address, prefix, 'ipv6');
  else list.addSubnet(address, longest === 32 ? prefix : Math.max(0, prefix - MAPPED_BITS), 'ipv4');
}
