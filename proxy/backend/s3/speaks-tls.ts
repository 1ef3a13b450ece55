/**
 * Whether a port speaks TLS. A server that does often closes a plain connection without a word, as one that is down would: at
 * the start the difference is worth one handshake.
 */
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { BACKEND_CONNECT_TIMEOUT_MS } from '../../limits.ts';

/** Never rejects. Nothing is sent after the handshake, and no certificate is judged. */
export function speaksTls(endpoint: URL): Promise<boolean> {
  const host = endpoint.hostname.replace(/^\[|\]$/g, '');
  const servername = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ host, port: Number(endpoint.port) || 80, rejectUnauthorized: false, ...servername });
  return new Promise((resolve) => {
    const settle = (answer: boolean) => {
      resolve(answer);
      socket.destroy();
    };
    socket.once('secureConnect', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    socket.setTimeout(BACKEND_CONNECT_TIMEOUT_MS, () => settle(false));
  });
}
