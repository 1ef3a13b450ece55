/** The PROXY header of version 2, written from HAProxy's "The PROXY protocol" alone, whole or with something wrong in it. */
import { isIPv6 } from 'node:net';

export interface HeaderParts {
  readonly signature?: Buffer;
  readonly version?: number;
  readonly command?: number;
  readonly family?: number;
  readonly protocol?: number;
  /** Addresses and ports as bytes, in place of those of `client`. */
  readonly addresses?: Buffer;
  readonly tlvs?: Buffer;
  /** What the header says of its own length. */
  readonly length?: number;
}

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

export function proxyHeader(client: string, o: HeaderParts = {}): Buffer {
  const { version = 2, command = 1, family = isIPv6(client) ? 2 : 1, protocol = 1, tlvs = Buffer.alloc(0) } = o;
  const body = Buffer.concat([o.addresses ?? addresses(client), tlvs]);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(o.length ?? body.length);
  const fixed = Buffer.from([(version << 4) | command, (family << 4) | protocol]);
  return Buffer.concat([o.signature ?? SIGNATURE, fixed, length, body]);
}

/** A TLV: type, length, value. */
export function tlv(type: number, value: Buffer): Buffer {
  const head = Buffer.from([type, 0, 0]);
  head.writeUInt16BE(value.length, 1);
  return Buffer.concat([head, value]);
}

function addresses(client: string): Buffer {
  const ports = Buffer.from([0xc0, 0x01, 0x01, 0xbb]);
  if (!isIPv6(client))
    return Buffer.concat([Buffer.from(client.split('.').map(Number)), Buffer.from([10, 0, 0, 1]), ports]);
  return Buffer.concat([ipv6Bytes(client), ipv6Bytes('2001:db8::99'), ports]);
}

/** With groups of hex digits and one `::` at most. */
function ipv6Bytes(address: string): Buffer {
  const [left = '', right] = address.split('::');
  const groups = (text: string) => (text === '' ? [] : text.split(':'));
  const after = right === undefined ? [] : groups(right);
  const before = groups(left);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  return Buffer.from([...before, ...zeros, ...after].map((group) => group.padStart(4, '0')).join(''), 'hex');
}
