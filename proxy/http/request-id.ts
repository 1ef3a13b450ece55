/** Ids of requests, for replies and the log: what a client reports and an operator searches for. */
import { randomFillSync } from 'node:crypto';

const ALPHABET = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const pool = Buffer.alloc(4096);
let used = pool.length;

/** 16 characters of [0-9A-Z], 80 random bits, in the form S3 uses for x-amz-request-id. Not a secret. */
export function createRequestId(): string {
  if (used + 16 > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  let id = '';
  for (const end = used + 16; used < end; used++) id += ALPHABET[(pool[used] ?? 0) & 31];
  return id;
}
