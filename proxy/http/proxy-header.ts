/**
 * The binary header of the PROXY protocol, version 2, which a load balancer sends in front of everything else on a connection: for
 * whom it has made the connection (HAProxy, "The PROXY protocol", sections 2.2 and 2.2.1). Version 1, a line of text, is not taken.
 */
import { MAX_PROXY_HEADER_BYTES } from '../address-limits.ts';
import { plainAddress } from './addresses.ts';

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
/** Signature, version and command, family and protocol, length of what follows. */
const FIXED_BYTES = 16;
const VERSION = 2;
const COMMANDS = { local: 0, proxy: 1 } as const;
const FAMILIES = { unspecified: 0, ipv4: 1, ipv6: 2, unix: 3 } as const;
const PROTOCOLS = { unspecified: 0, stream: 1 } as const;
/** Bytes of the addresses and ports of both ends; what follows them are TLVs, which are skipped. */
const ADDRESS_BYTES = { [FAMILIES.ipv4]: 12, [FAMILIES.ipv6]: 36, [FAMILIES.unix]: 216 } as const;

/** What came is no such header. The message says what it is, and repeats none of it. */
export class BadProxyHeader extends Error {
  readonly code = 'BAD_PROXY_HEADER';
  constructor(message: string) {
    super(message);
    this.name = 'BadProxyHeader';
  }
}

/** `local`: the balancer made the connection for itself, as for a health check. `address`: undefined when it does not say whose. */
export type ProxyHeader =
  | { readonly kind: 'local' }
  | { readonly kind: 'client'; readonly address: string | undefined };

/** Bytes that the header has at least, by its beginning. @throws BadProxyHeader as soon as no header begins so */
export function proxyHeaderLength(start: Buffer): number {
  const known = Math.min(start.length, SIGNATURE.length);
  if (!start.subarray(0, known).equals(SIGNATURE.subarray(0, known))) {
    const isFirstVersion = start.toString('latin1').startsWith('PROXY ');
    throw new BadProxyHeader(isFirstVersion ? 'a header of version 1 came' : 'no header came');
  }
  const [versionAndCommand] = start.subarray(SIGNATURE.length);
  if (versionAndCommand !== undefined) {
    if (versionAndCommand >> 4 !== VERSION) throw new BadProxyHeader('the header is of another version');
    if ((versionAndCommand & 15) > COMMANDS.proxy) throw new BadProxyHeader('the header has an unknown command');
  }
  if (start.length < FIXED_BYTES) return FIXED_BYTES;
  const length = FIXED_BYTES + start.readUInt16BE(FIXED_BYTES - 2);
  if (length > MAX_PROXY_HEADER_BYTES) throw new BadProxyHeader('the header is too long');
  return length;
}

/** `header`: as many bytes as `proxyHeaderLength` says. @throws BadProxyHeader */
export function parseProxyHeader(header: Buffer): ProxyHeader {
  if (((header[SIGNATURE.length] ?? 0) & 15) === COMMANDS.local) return { kind: 'local' };
  const familyAndProtocol = header[SIGNATURE.length + 1] ?? 0;
  const [family, protocol] = [familyAndProtocol >> 4, familyAndProtocol & 15];
  if (protocol !== PROTOCOLS.stream && protocol !== PROTOCOLS.unspecified) {
    throw new BadProxyHeader('the header is of no stream');
  }
  const body = header.subarray(FIXED_BYTES);
  switch (family) {
    case FAMILIES.unspecified:
      return { kind: 'client', address: undefined };
    case FAMILIES.ipv4:
      requireBytes(body, ADDRESS_BYTES[family]);
      return { kind: 'client', address: body.subarray(0, 4).join('.') };
    case FAMILIES.ipv6:
      requireBytes(body, ADDRESS_BYTES[family]);
      return { kind: 'client', address: ipv6Text(body.subarray(0, 16)) };
    case FAMILIES.unix:
      requireBytes(body, ADDRESS_BYTES[family]);
      return { kind: 'client', address: undefined };
    default:
      throw new BadProxyHeader('the header has an unknown family of addresses');
  }
}

function requireBytes(body: Buffer, bytes: number): void {
  if (body.length < bytes) throw new BadProxyHeader('the header is too short for its addresses');
}

function ipv6Text(bytes: Buffer): string | undefined {
  return plainAddress(Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(2 * i).toString(16)).join(':'));
}
