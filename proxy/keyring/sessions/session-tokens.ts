/**
 * From a session token to its credentials, in a serving process. An opened token is kept for a short time; after that the record of
 * its day must still exist. A refused token gets the same error whatever the reason.
 */
import { LRUCache } from 'lru-cache';
import { S3Error } from '../../errors.ts';
import { SESSION_DAY_TTL_MS, SESSION_TOKENS_CACHED } from '../../session-limits.ts';
import type { SessionDays } from './day-records.ts';
import { SessionCredential } from './session-credential.ts';
import { openSession, readToken } from './token.ts';

interface Kept {
  readonly credential: SessionCredential;
  /** Milliseconds, from before the look for the day's record. */
  readonly at: number;
}

export class SessionTokens {
  readonly #days: Pick<SessionDays, 'candidates'>;
  readonly #now: () => Date;
  readonly #kept = new LRUCache<string, Kept>({ max: SESSION_TOKENS_CACHED });

  constructor(o: { days: Pick<SessionDays, 'candidates'>; now: () => Date }) {
    this.#days = o.days;
    this.#now = o.now;
  }

  /**
   * Does not say whether the session has ended: only a caller that can sign is told.
   * @throws S3Error InvalidToken, ServiceUnavailable
   */
  async resolve(o: { accessKeyId: string; token: string }, signal: AbortSignal): Promise<SessionCredential> {
    const credential = await this.#open(o.token, signal);
    if (credential?.accessKeyId !== o.accessKeyId) throw new S3Error('InvalidToken');
    return credential;
  }

  async #open(token: string, signal: AbortSignal): Promise<SessionCredential | undefined> {
    const at = this.#now().getTime();
    const kept = this.#kept.get(token);
    if (kept !== undefined && at >= kept.at && at - kept.at < SESSION_DAY_TTL_MS) return kept.credential;
    this.#kept.delete(token);
    const read = readToken(token);
    if (read === undefined) return undefined;
    for (const key of await this.#days.candidates(read, signal)) {
      const reopen = () => openSession(read.bytes, key);
      const session = reopen();
      if (session === undefined) continue;
      const credential = new SessionCredential(session, reopen);
      this.#kept.set(token, { credential, at });
      return credential;
    }
    return undefined;
  }
}

/** Call it after the signature was verified. @throws S3Error ExpiredToken */
export function refuseEnded(credential: { readonly endsAt: number }, now: Date): void {
  if (now.getTime() >= 1000 * credential.endsAt) throw new S3Error('ExpiredToken');
}
