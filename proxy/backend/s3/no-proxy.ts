/**
 * Hosts that are reached past the outbound proxy: those that NO_PROXY names, this machine, and link-local addresses, which mean
 * something else on the proxy's machine. Source: the convention of curl and Go, `host`, `.suffix`, `*`, each with an optional port.
 */
import { BlockList, isIP } from 'node:net';

const HERE = new BlockList();
HERE.addSubnet('127.0.0.0', 8, 'ipv4');
HERE.addSubnet('169.254.0.0', 16, 'ipv4');
HERE.addAddress('::1', 'ipv6');
HERE.addSubnet('fe80::', 10, 'ipv6');

/** @param noProxy the value of NO_PROXY */
export function goesPastProxy(endpoint: URL, noProxy: string): boolean {
  const host = endpoint.hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const family = isIP(host);
  if (host === 'localhost' || (family > 0 && HERE.check(host, family === 4 ? 'ipv4' : 'ipv6'))) return true;
  const port = endpoint.port || (endpoint.protocol === 'https:' ? '443' : '80');
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => isNamed(host, port, entry));
}

function isNamed(host: string, port: string, entry: string): boolean {
  if (entry === '*') return true;
  const withPort = isIP(entry) === 6 ? undefined : /^(.*):(\d+)$/.exec(entry);
  if (withPort && withPort[2] !== port) return false;
  const name = (withPort?.[1] ?? entry).replace(/^\[|\]$/g, '').replace(/^\*?\./, '');
  return name !== '' && (host === name || host.endsWith(`.${name}`));
}
