/** Addresses and blocks of addresses, both families. An IPv4 address that came as an IPv6 one (`::ffff:a.b.c.d`) is an IPv4 address. */
import { BlockList, isIP, isIPv4 } from 'node:net';
import { MalformedPolicyDocument } from './malformed.ts';

const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i;

export function plainAddress(address: string): string {
  return MAPPED.exec(address)?.[1] ?? address;
}

/** Whether an address lies in one of the blocks; undefined when it is no address. */
export type InBlocks = (address: string) => boolean | undefined;

/** `blocks`: addresses, or blocks as `203.0.113.0/24`. @throws MalformedPolicyDocument */
export function compileBlocks(blocks: readonly string[]): InBlocks {
  const list = new BlockList();
  for (const block of blocks) addBlock(list, block);
  return (text) => {
    const address = plainAddress(text);
    const family = isIP(address);
    if (family === 0) return undefined;
    return list.check(address, family === 4 ? 'ipv4' : 'ipv6');
  };
}

function addBlock(list: BlockList, block: string): void {
  const [address = '', bits, more] = block.split('/');
  const family = isIP(address);
  const longest = family === 4 ? 32 : 128;
  const prefix = bits === undefined ? longest : Number(bits);
  const isWhole = bits === undefined || /^\d{1,3}$/.test(bits);
  if (family === 0 || more !== undefined || !isWhole || prefix > longest) {
    throw new MalformedPolicyDocument(
      `${JSON.stringify(block)} is no address and no block of addresses, such as 203.0.113.0/24 or 2001:db8::/32.`,
    );
  }
  list.addSubnet(address, prefix, isIPv4(address) ? 'ipv4' : 'ipv6');
}
