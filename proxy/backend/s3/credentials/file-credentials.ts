/**
 * A key pair in files, as secrets are mounted: read again when a file changes. What cannot be read changes nothing: those in force
 * stay so, and the log says it.
 */
import { readFile, stat } from 'node:fs/promises';
import type { SecretText } from '../../../config/credentials-config.ts';
import { CREDENTIAL_FILES_MS } from '../../../store-limits.ts';
import { BackendUnavailable, type CredentialStatus } from '../../backend.ts';
import type { CredentialSource, Credentials, OnCredentialEvent } from './credential-source.ts';

export interface KeyFiles {
  readonly accessKeyId: SecretText;
  readonly secretAccessKey: SecretText;
  readonly sessionToken: SecretText | undefined;
}

export class FileCredentials implements CredentialSource {
  readonly #files: KeyFiles;
  readonly #paths: readonly string[];
  readonly #onEvent: OnCredentialEvent;
  readonly #now: () => number;
  #held: Credentials | undefined;
  /** What the files looked like when they were read. */
  #seen: string | undefined;
  #lookAgainAt = 0;
  #look: Promise<Credentials> | undefined;
  #failures = 0;

  constructor(o: { files: KeyFiles; onEvent?: OnCredentialEvent | undefined; now?: () => number }) {
    this.#files = o.files;
    const { accessKeyId, secretAccessKey, sessionToken } = o.files;
    this.#paths = [accessKeyId, secretAccessKey, sessionToken].flatMap((one) =>
      one !== undefined && 'path' in one ? [one.path] : [],
    );
    this.#onEvent = o.onEvent ?? (() => undefined);
    this.#now = o.now ?? Date.now;
  }

  get status(): CredentialStatus {
    return { expires: undefined, failures: this.#failures };
  }

  current(): Credentials | Promise<Credentials> {
    if (this.#held === undefined) return this.#lookOnce();
    if (this.#now() >= this.#lookAgainAt) this.#lookOnce().catch(() => undefined);
    return this.#held;
  }

  #lookOnce(): Promise<Credentials> {
    this.#look ??= this.#update().finally(() => {
      this.#look = undefined;
      this.#lookAgainAt = this.#now() + CREDENTIAL_FILES_MS;
    });
    return this.#look;
  }

  async #update(): Promise<Credentials> {
    try {
      const before = await this.#fingerprint();
      if (this.#held !== undefined && before === this.#seen) return this.#held;
      const read = await this.#read();
      // Written meanwhile: an id of before may stand beside a secret of after. The next look tells.
      if (this.#held !== undefined && (await this.#fingerprint()) !== before) return this.#held;
      const isFirst = this.#held === undefined;
      this.#seen = before;
      this.#held = read;
      if (!isFirst) this.#onEvent({ kind: 'renewed', expires: undefined });
      return read;
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error('unknown failure');
      this.#failures += 1;
      this.#onEvent({ kind: 'failed', error, expires: undefined });
      throw new BackendUnavailable('there are no credentials for it', { cause: error, transport: 'NO_CREDENTIALS' });
    }
  }

  async #fingerprint(): Promise<string> {
    const looks = await Promise.all(this.#paths.map((path) => stat(path, { bigint: true })));
    return looks.map(({ dev, ino, size, mtimeNs }) => `${dev}:${ino}:${size}:${mtimeNs}`).join(' ');
  }

  async #read(): Promise<Credentials> {
    const { accessKeyId, secretAccessKey, sessionToken } = this.#files;
    const pair = { accessKeyId: await textOf(accessKeyId), secretAccessKey: await textOf(secretAccessKey) };
    return sessionToken === undefined ? pair : { ...pair, sessionToken: await textOf(sessionToken) };
  }
}

/** Without white space around it: editors and `echo` end files with a line feed. */
async function textOf(secret: SecretText): Promise<string> {
  if ('text' in secret) return secret.text;
  const text = (await readFile(secret.path, 'utf8')).trim();
  if (text === '') throw new Error(`${secret.path} is empty`);
  if (!/^[\x21-\x7e]+$/.test(text)) throw new Error(`${secret.path} holds more than one word`);
  return text;
}
