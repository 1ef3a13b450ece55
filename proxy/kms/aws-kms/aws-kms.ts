/**
 * AWS KMS over its JSON API: three operations, each a POST that is signed with SigV4. The owner is the encryption context, so that
 * CloudTrail shows for which tenant and slot each call was made. (Source: AWS KMS API reference, Encrypt, Decrypt, DescribeKey.)
 */
import { hash } from 'node:crypto';
import type { CredentialSource, Credentials } from '../../backend/s3/credentials/credential-source.ts';
import { openCredentials } from '../../backend/s3/credentials/open-credentials.ts';
import { signRequest } from '../../backend/s3/sign.ts';
import type { AwsKmsConfig } from '../../config/kms-config.ts';
import { type JsonObject, KmsHttp, type KmsReply, objectIn } from '../kms-http.ts';
import {
  KmsFailure,
  type KmsFailureKind,
  type KmsKeyState,
  type KmsOwner,
  type KmsProvider,
  type WrappedSecret,
} from '../provider.ts';

export class AwsKms implements KmsProvider {
  readonly name: string;
  readonly key: string;
  readonly #config: AwsKmsConfig;
  readonly #http: KmsHttp;
  readonly #credentials: CredentialSource;

  constructor(config: AwsKmsConfig) {
    this.name = config.name;
    this.key = config.key;
    this.#config = config;
    this.#http = new KmsHttp(config.endpoint, config);
    this.#credentials = openCredentials(config.credentials, { region: config.region });
  }

  async wrap(
    secret: Buffer,
    { key, owner }: { readonly key: string; readonly owner: KmsOwner },
    signal: AbortSignal,
  ): Promise<WrappedSecret> {
    const context = { EncryptionContext: contextOf(owner) };
    const reply = await this.#ask('Encrypt', { KeyId: key, Plaintext: secret.toString('base64'), ...context }, signal);
    const { CiphertextBlob: blob, KeyId: arn } = reply;
    if (typeof blob !== 'string' || typeof arn !== 'string') throw this.#unexpected('Encrypt');
    return { key: arn, version: '', blob: Buffer.from(blob, 'base64') };
  }

  async unwrap({ key, blob }: WrappedSecret, owner: KmsOwner, signal: AbortSignal): Promise<Buffer> {
    const context = { EncryptionContext: contextOf(owner) };
    const reply = await this.#ask(
      'Decrypt',
      { KeyId: key, CiphertextBlob: blob.toString('base64'), ...context },
      signal,
    );
    const { Plaintext: text } = reply;
    if (typeof text !== 'string') throw this.#unexpected('Decrypt');
    return Buffer.from(text, 'base64');
  }

  /** AWS keeps every version of a key and says none: what was wrapped once unwraps as long as the key is enabled. */
  async keyState(key: string, signal: AbortSignal): Promise<KmsKeyState> {
    const reply = await this.#ask('DescribeKey', { KeyId: key }, signal);
    const state = objectIn(reply, 'KeyMetadata')?.['KeyState'];
    if (typeof state !== 'string' || !KEY_STATE.test(state)) throw this.#unexpected('DescribeKey');
    if (state === 'Enabled') return { current: '', oldest: '' };
    throw new KmsFailure('disabled', `${this.name}: the state of the key is ${state}`);
  }

  close(): Promise<void> {
    return this.#http.close();
  }

  async #ask(operation: string, body: JsonObject, signal: AbortSignal): Promise<JsonObject> {
    const text = JSON.stringify(body);
    const { status, json } = await this.#send({ operation, text, credentials: await this.#current() }, signal);
    if (status === 200) return json;
    // `com.amazonaws.kms#DisabledException`, or without what stands before.
    const type = /(?:^|#)(\w{1,64})$/.exec(String(json['__type'] ?? ''))?.[1] ?? '';
    const kind = KINDS[type] ?? (status >= 500 ? 'unreachable' : status === 429 ? 'throttled' : 'denied');
    throw new KmsFailure(kind, `${this.name} answered ${status} ${type} to ${operation}`);
  }

  async #current(): Promise<Credentials> {
    try {
      return await this.#credentials.current();
    } catch (cause) {
      throw new KmsFailure('unreachable', `${this.name}: there are no credentials for it`, { cause });
    }
  }

  #send(o: { operation: string; text: string; credentials: Credentials }, signal: AbortSignal): Promise<KmsReply> {
    const { endpoint, region } = this.#config;
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${o.operation}` };
    const payload = hash('sha256', o.text, 'hex');
    const request = { method: 'POST', host: endpoint.host, path: '/', headers, hasBody: true, payload };
    const { host: _host, ...signed } = signRequest(request, { credentials: o.credentials, region, service: 'kms' });
    return this.#http.send(endpoint, { method: 'POST', headers: signed, body: o.text }, signal);
  }

  #unexpected(operation: string): KmsFailure {
    return new KmsFailure('unusable', `${this.name} answered ${operation} in a way that is not understood`);
  }
}

/** AWS KMS API reference, "KeyMetadata", KeyState. */
const KEY_STATE = /^[A-Za-z]{1,64}$/;

/** CloudTrail shows it. */
function contextOf({ purpose, tenant, slot }: KmsOwner): Readonly<Record<string, string>> {
  return { 'sealgate:purpose': purpose, 'sealgate:tenant': tenant, 'sealgate:slot': slot };
}

/** AWS KMS API reference, "Common errors" and those of the three operations. */
const KINDS: Readonly<Record<string, KmsFailureKind>> = {
  AccessDeniedException: 'denied',
  DependencyTimeoutException: 'unreachable',
  DisabledException: 'disabled',
  IncorrectKeyException: 'mismatch',
  InternalFailure: 'unreachable',
  InvalidArnException: 'unknown-key',
  InvalidCiphertextException: 'mismatch',
  InvalidKeyUsageException: 'unusable',
  KMSInternalException: 'unreachable',
  KMSInvalidStateException: 'disabled',
  KeyUnavailableException: 'unreachable',
  LimitExceededException: 'throttled',
  NotFoundException: 'unknown-key',
  RequestLimitExceeded: 'throttled',
  ServiceUnavailable: 'unreachable',
  ServiceUnavailableException: 'unreachable',
  ThrottlingException: 'throttled',
  ValidationException: 'unusable',
};
