/**
 * OpenBao and Vault: the Transit secrets engine over its HTTP API. The owner goes along as `associated_data`, which an
 * AES-256-GCM key authenticates. (Source: OpenBao documentation, "Transit secrets engine (API)"; its `rewrap` takes no associated
 * data, so a secret is unwrapped and wrapped.)
 */
import { TRANSIT_KEY, type TransitConfig } from '../../config/kms-config.ts';
import { type JsonObject, KmsHttp, objectIn } from '../kms-http.ts';
import {
  KmsFailure,
  type KmsKeyState,
  type KmsOwner,
  type KmsProvider,
  ownerBytes,
  type WrappedSecret,
} from '../provider.ts';
import { type TransitSend, TransitToken } from './transit-token.ts';

interface Reply {
  readonly status: number;
  readonly data: JsonObject;
}

export class Transit implements KmsProvider {
  readonly name: string;
  readonly key: string;
  readonly #config: TransitConfig;
  readonly #http: KmsHttp;
  readonly #token: TransitToken;

  constructor(config: TransitConfig) {
    this.name = config.name;
    this.key = config.key;
    this.#config = config;
    this.#http = new KmsHttp(config.url, config);
    this.#token = new TransitToken({ auth: config.auth, send: (request, signal) => this.#send(request, signal) });
  }

  async wrap(
    secret: Buffer,
    { key, owner }: { readonly key: string; readonly owner: KmsOwner },
    signal: AbortSignal,
  ): Promise<WrappedSecret> {
    const body = { plaintext: secret.toString('base64'), associated_data: ownerBytes(owner).toString('base64') };
    const { status, data } = await this.#ask('encrypt', key, signal, body);
    const text = data['ciphertext'];
    const version = typeof text === 'string' ? /^vault:v(\d{1,9}):/.exec(text)?.[1] : undefined;
    if (status !== 200 || typeof text !== 'string' || version === undefined) throw this.#refusal(status, key);
    return { key, version, blob: Buffer.from(text, 'latin1') };
  }

  async unwrap({ key, version, blob }: WrappedSecret, owner: KmsOwner, signal: AbortSignal): Promise<Buffer> {
    const body = { ciphertext: blob.toString('latin1'), associated_data: ownerBytes(owner).toString('base64') };
    const { status, data } = await this.#ask('decrypt', key, signal, body);
    const text = data['plaintext'];
    if (status === 200 && typeof text === 'string') return Buffer.from(text, 'base64');
    if (status !== 400) throw this.#refusal(status, key);
    throw await this.#whyRefused({ key, version }, signal);
  }

  async keyState(key: string, signal: AbortSignal): Promise<KmsKeyState> {
    const { status, data } = await this.#ask('keys', key, signal);
    const { latest_version: current, min_decryption_version: oldest } = data;
    if (status !== 200 || typeof current !== 'number' || typeof oldest !== 'number') throw this.#refusal(status, key);
    if (data['soft_deleted'] === true) throw new KmsFailure('disabled', `${this.name}: the key ${key} is soft-deleted`);
    // Versions begin with 1; 0 stands for no bound.
    return { current: String(current), oldest: String(Math.max(1, oldest)) };
  }

  async close(): Promise<void> {
    this.#token.close();
    await this.#http.close();
  }

  /**
   * A status of 400 is the same for a version that is not allowed any more, a key that is gone or soft-deleted, and a secret of
   * another owner. What the key says of itself tells them apart, where it may be read.
   */
  async #whyRefused({ key, version }: { key: string; version: string }, signal: AbortSignal): Promise<KmsFailure> {
    try {
      const { oldest } = await this.keyState(key, signal);
      if (Number(version) >= Number(oldest))
        return new KmsFailure('mismatch', `${this.name} does not unwrap it for this owner`);
      const text = `${this.name}: version ${version} of the key ${key} is below its min_decryption_version, ${oldest}`;
      return new KmsFailure('disabled', text);
    } catch (error) {
      // Only where the policy does not let the key be read is there nothing to tell them apart by.
      if (error instanceof KmsFailure && error.kind !== 'denied') return error;
      return new KmsFailure('mismatch', `${this.name} does not unwrap it for this owner`, { cause: error });
    }
  }

  #refusal(status: number, key: string): KmsFailure {
    const said = `${this.name} answered ${status} about the key ${key}`;
    if (status === 403 || status === 401) return new KmsFailure('denied', said);
    if (status === 404) return new KmsFailure('unknown-key', said);
    if (status === 400) return new KmsFailure('unusable', `${said}: it must be of type aes256-gcm96, and not derived`);
    if (status === 429) return new KmsFailure('throttled', said);
    return new KmsFailure(status >= 500 ? 'unreachable' : 'unusable', said);
  }

  /**
   * With a token; with another one where that is refused. The name of the key may come from a keyring, where the seal key alone
   * writes it: a name with a path in it would send the token, and the secret, to another part of the server.
   */
  async #ask(
    operation: 'encrypt' | 'decrypt' | 'keys',
    key: string,
    signal: AbortSignal,
    body?: JsonObject,
  ): Promise<Reply> {
    if (!TRANSIT_KEY.test(key))
      throw new KmsFailure('unknown-key', `${this.name}: no key can have the name that is given`);
    const request = { path: `${this.#config.mount}/${operation}/${key}`, ...(body === undefined ? {} : { body }) };
    const token = await this.#token.current(signal);
    let reply = await this.#send({ ...request, token }, signal);
    if (reply.status === 403) {
      this.#token.refused(token);
      reply = await this.#send({ ...request, token: await this.#token.current(signal) }, signal);
    }
    return { status: reply.status, data: objectIn(reply.json, 'data') ?? {} };
  }

  readonly #send: TransitSend = ({ path, body, token }, signal) => {
    const { namespace, url } = this.#config;
    const target = new URL(`v1/${path}`, url.href.endsWith('/') ? url : `${url.href}/`);
    const headers = {
      'x-vault-request': 'true',
      ...(token === undefined ? {} : { 'x-vault-token': token }),
      ...(namespace === undefined ? {} : { 'x-vault-namespace': namespace }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    };
    const sent =
      body === undefined ? ({ method: 'GET' } as const) : ({ method: 'POST', body: JSON.stringify(body) } as const);
    return this.#http.send(target, { ...sent, headers }, signal);
  };
}
