/**
 * Where a request comes from. The connection says so (by its socket, or by the PROXY header in front of it), unless it comes from a
 * forwarder that the settings trust: then the last address of X-Forwarded-For that no trusted forwarder has. Each forwarder adds
 * the address that it saw at the end of the list, so what a client itself put there stands further left and is never reached.
 */
import { type InBlocks, plainAddress } from './addresses.ts';

/** The header fields as received: names and values in turn. */
type RawHeaders = readonly string[];

/**
 * `connection`: the address that the connection comes from. `undefined`: not known, and then no policy takes it for any address: a
 * trusted forwarder sent no X-Forwarded-For, or one with anything but addresses in the part that counts.
 */
export function clientAddress(
  connection: string | undefined,
  headers: RawHeaders,
  isTrusted: InBlocks,
): string | undefined {
  if (connection === undefined || isTrusted(connection) !== true) return connection;
  const hops = forwardedFor(headers).split(',');
  for (let hop = hops.pop(); hop !== undefined; hop = hops.pop()) {
    const address = addressOfHop(hop.trim());
    if (address === undefined || isTrusted(address) !== true) return address;
  }
  return undefined;
}

/** Reads the header alone. A signed URL may carry headers as query parameters, and could choose its own address. */
function forwardedFor(headers: RawHeaders): string {
  const values: string[] = [];
  for (let i = 0; i + 1 < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === 'x-forwarded-for') values.push(headers[i + 1] ?? '');
  }
  return values.join(',');
}

/** `192.0.2.1`, `192.0.2.1:443`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:443`. A zone means nothing on another machine. */
function addressOfHop(text: string): string | undefined {
  if (text.includes('%')) return undefined;
  const [, bracketed] = /^\[([0-9a-f:.]+)\](?::\d{1,5})?$/i.exec(text) ?? [];
  const [, withPort] = /^([\d.]+):\d{1,5}$/.exec(text) ?? [];
  return plainAddress(bracketed ?? withPort ?? text);
}
