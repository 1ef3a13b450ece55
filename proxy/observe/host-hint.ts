/**
 * Requests that most likely name their bucket in the host, `bucket.s3.example.com`, where that host is not configured: the first
 * part of their path is taken for the bucket, and a PUT of an object becomes CreateBucket. The log says so at first sight.
 */
import { isIP } from 'node:net';
import { HINTED_HOSTS } from '../running-limits.ts';
import type { Logger } from './log.ts';
import type { RequestLine } from './request-fields.ts';

/** The operations that a request becomes when its bucket was read in the wrong style. */
const SUSPICIOUS: ReadonlySet<string> = new Set(['NoSuchBucket', 'AccessDenied', 'InvalidBucketName']);

export class HostHint {
  readonly #hostnames: readonly string[];
  readonly #log: Pick<Logger, 'warn'>;
  readonly #told = new Set<string>();

  constructor(o: { hostnames: readonly string[]; log: Pick<Logger, 'warn'> }) {
    this.#hostnames = o.hostnames;
    this.#log = o.log;
  }

  note({ host, operation, code }: Pick<RequestLine, 'host' | 'operation' | 'code'>): void {
    if (host === undefined || (operation !== 'CreateBucket' && !SUSPICIOUS.has(code ?? ''))) return;
    const name = host.toLowerCase().replace(/:\d+$/, '');
    if (!this.#namesABucket(name) || this.#told.has(name) || this.#told.size >= HINTED_HOSTS) return;
    this.#told.add(name);
    const [bucket = '', ...rest] = name.split('.');
    this.#log.warn(
      { host: name },
      `the host is not configured, so buckets are read from the path: if '${bucket}' is meant to be a bucket, set SEALGATE_HOSTNAMES=${rest.join('.')}`,
    );
  }

  /** A bucket, a dot, and at least one more label: and none of it an address, or a host that is configured. */
  #namesABucket(name: string): boolean {
    if (isIP(name.replace(/^\[|\]$/g, '')) > 0 || !/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name)) return false;
    return !this.#hostnames.some((base) => name === base || name.endsWith(`.${base}`));
  }
}
