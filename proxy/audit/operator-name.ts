/** Who runs a command, as the operating system knows: `user@host`. */
import { hostname, userInfo } from 'node:os';

export function operatorName(): string {
  return `${user()}@${hostname()}`;
}

/** A user id may have no name. */
function user(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
