/**
 * An issuer's public keys (RFC 7517). They are read when a token needs them, kept for some minutes, and read again at once for a
 * key id that is not among them, though not more often than a cooldown allows, failures counted. While the issuer cannot be
 * reached its last good keys go on for a day: an outage there is none here.
 */
import { createLocalJWKSet, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import type { Dispatcher } from 'undici';
import { z } from 'zod';
import { readSmallFile } from '../../config/small-file.ts';
import { JWKS_COOLDOWN_MS, JWKS_FRESH_MS, JWKS_STALE_MS, MAX_JWKS_BYTES } from '../../session-limits.ts';
import { DocumentUnavailable, fetchDocument } from './fetch-document.ts';
import type { JwksLocation } from './issuers.ts';

interface Fetched {
  readonly keys: JWTVerifyGetKey;
  readonly ids: ReadonlySet<string>;
  readonly at: number;
}

const schema = z.object({
  keys: z
    .array(z.looseObject({ kty: z.string(), kid: z.string().optional() }))
    .min(1)
    .max(256),
});

export class KeySet {
  readonly #location: JwksLocation;
  readonly #now: () => number;
  readonly #dispatcher: Dispatcher | undefined;
  readonly #onFailure: (error: unknown) => void;
  #last: Fetched | undefined;
  #underWay: Promise<void> | undefined;
  #triedAt = Number.NEGATIVE_INFINITY;

  /** `now`: milliseconds. `onFailure` hears of every read that failed, also while older keys serve. */
  constructor(o: {
    location: JwksLocation;
    now: () => number;
    onFailure: (error: unknown) => void;
    dispatcher?: Dispatcher;
  }) {
    this.#location = o.location;
    this.#now = o.now;
    this.#onFailure = o.onFailure;
    this.#dispatcher = o.dispatcher;
  }

  /** Milliseconds since the keys that serve were read; undefined before the first time. For metrics and `sealgate check`. */
  age(): number | undefined {
    return this.#last === undefined ? undefined : this.#now() - this.#last.at;
  }

  /** Keys for a token with that key id, if it names one. @throws DocumentUnavailable */
  async keysFor(kid: string | undefined): Promise<JWTVerifyGetKey> {
    const age = this.age();
    const isUnknown = kid !== undefined && this.#last?.ids.has(kid) === false;
    if (age === undefined || age > JWKS_FRESH_MS || isUnknown) await this.#refresh();
    const last = this.#last;
    if (last === undefined || this.#now() - last.at > JWKS_STALE_MS) {
      throw new DocumentUnavailable('the keys of the issuer cannot be read');
    }
    return last.keys;
  }

  /** One read at a time, and none within the cooldown of the one before. */
  async #refresh(): Promise<void> {
    if (this.#underWay === undefined) {
      if (this.#now() - this.#triedAt < JWKS_COOLDOWN_MS) return;
      this.#triedAt = this.#now();
      this.#underWay = this.#read().finally(() => {
        this.#underWay = undefined;
      });
    }
    await this.#underWay;
  }

  async #read(): Promise<void> {
    try {
      const set = parseKeySet(await this.#text());
      const ids = new Set(set.keys.flatMap(({ kid }) => (kid === undefined ? [] : [kid])));
      this.#last = { keys: createLocalJWKSet(set), ids, at: this.#now() };
    } catch (error) {
      this.#onFailure(error);
    }
  }

  async #text(): Promise<string> {
    if (this.#location.kind === 'https') {
      return fetchDocument(this.#location.url, { maxBytes: MAX_JWKS_BYTES, dispatcher: this.#dispatcher });
    }
    return String(await readSmallFile(this.#location.path, { maxBytes: MAX_JWKS_BYTES, Failure: DocumentUnavailable }));
  }
}

/** @throws DocumentUnavailable */
function parseKeySet(text: string): JSONWebKeySet {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new DocumentUnavailable('the key set is not well-formed JSON');
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new DocumentUnavailable('the key set is no list of one to 256 keys');
  return parsed.data as JSONWebKeySet;
}
