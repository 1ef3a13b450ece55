/** Explains why an address cannot be listened on, by the name of its setting. */
import { ConfigError, type Variable } from '../config/settings.ts';
import type { ListenAddress } from '../http/listen-address.ts';

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another process',
  EADDRNOTAVAIL: 'is no address of this machine',
  EACCES: 'may not be listened on by this user: ports below 1024 need a privilege',
  ENOTFOUND: 'is a name that does not resolve',
};

/** @throws ConfigError by the variable's name when the address cannot be listened on */
export async function listening<T>(
  variable: Variable,
  { host, port }: ListenAddress,
  listen: () => Promise<T>,
): Promise<T> {
  try {
    return await listen();
  } catch (error) {
    const reason = REASONS[(error as { code?: string }).code ?? ''];
    throw reason === undefined ? error : new ConfigError(variable, `${host}:${port} ${reason}`);
  }
}
