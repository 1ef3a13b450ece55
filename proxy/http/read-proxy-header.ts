/**
 * Reads the PROXY header off a connection that was just accepted. Until it is whole, nobody else listens to the socket; then the socket
 * goes to node's own listener, with everything that came behind the header still in it, in its order.
 */
import type { Socket } from 'node:net';
import { BadProxyHeader, type ProxyHeader, parseProxyHeader, proxyHeaderLength } from './proxy-header.ts';

/**
 * One of the two is called, once; neither for a connection that ends without a byte, as one that only tries the port does. After
 * `onRefused` the socket is closed.
 */
export function readProxyHeader(
  socket: Socket,
  o: { readonly onHeader: (header: ProxyHeader) => void; readonly onRefused: (reason: string) => void },
): void {
  let received = Buffer.alloc(0);
  const ignore = () => undefined;
  const end = () => socket.destroy();
  const close = () => {
    if (received.length > 0) o.onRefused('the header is not whole');
  };
  const read = () => {
    try {
      if (!isWhole()) return;
      const header = parseProxyHeader(received);
      letGo();
      socket.off('error', ignore);
      o.onHeader(header);
    } catch (error) {
      if (!(error instanceof BadProxyHeader)) throw error;
      letGo();
      socket.destroy();
      o.onRefused(error.message);
    }
  };
  /** Takes no byte more than the header has. */
  const isWhole = () => {
    for (let length = proxyHeaderLength(received); received.length < length; length = proxyHeaderLength(received)) {
      const chunk = socket.read(Math.min(length - received.length, socket.readableLength)) as Buffer | null;
      if (chunk === null) return false;
      received = Buffer.concat([received, chunk]);
    }
    return true;
  };
  const letGo = () => {
    socket.off('readable', read).off('end', end).off('close', close);
  };
  socket.on('error', ignore).on('readable', read).on('end', end).on('close', close);
}
