/**
 * A hardware security module (HSM) by PKCS #11: an AES key that cannot be extracted, AES-GCM with the owner as additional data.
 * (Source: OASIS, PKCS #11 Specification 3.1, sections 5.4 to 5.9 and 6.13.)
 *
 * A key is named by its label. Several keys with one label are its versions: the one with the highest CKA_ID wraps, and each of
 * them unwraps what it wrapped.
 */
import { randomBytes } from 'node:crypto';
import type { Pkcs11Config } from '../../config/kms-config.ts';
import {
  KmsFailure,
  type KmsKeyState,
  type KmsOwner,
  type KmsProvider,
  ownerBytes,
  type WrappedSecret,
} from '../provider.ts';
import * as ck from './constants.ts';
import { acquireModule, type Handle, type Mechanism, type Module, releaseModule } from './module.ts';

const IV_BYTES = 12;
const TAG_BITS = 128;
/** How much longer than its input an output may be: a tag, and a block for modules that round up. */
const SPARE_BYTES = 64;

interface Key {
  readonly handle: Handle;
  /** CKA_ID in hex. */
  readonly version: string;
}

interface Session {
  readonly module: Module;
  readonly handle: Handle;
}

export class Pkcs11 implements KmsProvider {
  readonly name: string;
  readonly key: string;
  readonly #config: Pkcs11Config;
  #session: Promise<Session> | undefined;
  /** One operation at a time: a session of PKCS #11 has room for one. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(config: Pkcs11Config) {
    this.name = config.name;
    this.key = config.key;
    this.#config = config;
  }

  wrap(secret: Buffer, { key, owner }: { readonly key: string; readonly owner: KmsOwner }): Promise<WrappedSecret> {
    return this.#inTurn(async ({ module, handle }) => {
      const newest = keysOf({ module, handle }, key).at(-1);
      if (newest === undefined) throw this.#unknown(key);
      this.#refuseExtractable({ module, handle }, newest.handle, key);
      const iv = randomBytes(IV_BYTES);
      module.C_EncryptInit(handle, mechanism(iv, owner), newest.handle);
      const sealed = await module.C_EncryptAsync(handle, secret, Buffer.alloc(secret.length + SPARE_BYTES));
      return { key, version: newest.version, blob: Buffer.concat([iv, sealed]) };
    });
  }

  unwrap({ key, version, blob }: WrappedSecret, owner: KmsOwner): Promise<Buffer> {
    return this.#inTurn(async ({ module, handle }) => {
      const found = keysOf({ module, handle }, key).find((one) => one.version === version);
      if (found === undefined) throw this.#unknown(key, version);
      const sealed = blob.subarray(IV_BYTES);
      try {
        module.C_DecryptInit(handle, mechanism(blob.subarray(0, IV_BYTES), owner), found.handle);
        return Buffer.from(await module.C_DecryptAsync(handle, sealed, Buffer.alloc(sealed.length + SPARE_BYTES)));
      } catch (error) {
        throw ck.failureOfCode(error, this.name, { isDecrypting: true });
      }
    });
  }

  keyState(key: string): Promise<KmsKeyState> {
    return this.#inTurn(async (session) => {
      const keys = keysOf(session, key);
      const [oldest, newest] = [keys[0], keys.at(-1)];
      if (oldest === undefined || newest === undefined) throw this.#unknown(key);
      return { current: newest.version, oldest: oldest.version };
    });
  }

  async close(): Promise<void> {
    await this.#last;
    const session = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    if (session !== undefined) this.#leave(session);
  }

  #inTurn<T>(work: (session: Session) => Promise<T>): Promise<T> {
    const run = this.#last.then(async () => {
      const session = await this.#opened();
      try {
        return await work(session);
      } catch (error) {
        const failure = ck.failureOfCode(error, this.name, { isDecrypting: false });
        // A session that was cut, as by an HSM that was restarted, is opened anew by the next call.
        if (failure.kind === 'unreachable') {
          this.#session = undefined;
          this.#leave(session);
        }
        throw failure;
      }
    });
    this.#last = run.catch(() => undefined);
    return run;
  }

  #leave({ module, handle }: Session): void {
    try {
      module.C_CloseSession(handle);
    } catch {
      // It was cut already.
    }
    releaseModule(this.#config.module);
  }

  #opened(): Promise<Session> {
    this.#session ??= this.#open().catch((error: unknown) => {
      this.#session = undefined;
      throw ck.failureOfCode(error, this.name, { isDecrypting: false });
    });
    return this.#session;
  }

  async #open(): Promise<Session> {
    const { module: path, token, pin } = this.#config;
    const module = await acquireModule(path, this.name);
    try {
      const slot = module.C_GetSlotList(true).find((one) => labelOf(module, one) === token);
      if (slot === undefined) throw new KmsFailure('unusable', `${this.name}: the module has no token '${token}'`);
      const handle = module.C_OpenSession(slot, ck.CKF_SERIAL_SESSION);
      await this.#logIn({ module, handle }, pin);
      return { module, handle };
    } catch (error) {
      releaseModule(path);
      throw error;
    }
  }

  async #logIn({ module, handle }: Session, pin: () => Promise<string>): Promise<void> {
    try {
      module.C_Login(handle, ck.CKU_USER, await pin());
    } catch (error) {
      // All sessions of a process at one token share one login.
      if ((error as { code?: unknown }).code !== ck.CKR_USER_ALREADY_LOGGED_IN) throw error;
    }
  }

  /** A key that can leave the HSM is no better than one in a file. */
  #refuseExtractable({ module, handle }: Session, key: Handle, label: string): void {
    const [extractable] = module.C_GetAttributeValue(handle, key, [{ type: ck.CKA_EXTRACTABLE }]);
    if (Buffer.isBuffer(extractable?.value) && extractable.value[0] === 0) return;
    const text = `${this.name}: the key '${label}' can be extracted: make one with CKA_EXTRACTABLE false`;
    throw new KmsFailure('unusable', text);
  }

  #unknown(label: string, version?: string): KmsFailure {
    const which = version === undefined ? '' : ` with the id ${version}`;
    return new KmsFailure('unknown-key', `${this.name}: the token has no AES key '${label}'${which}`);
  }
}

/** PKCS #11 pads labels with blanks. */
function labelOf(module: Module, slot: Handle): string {
  return module.C_GetTokenInfo(slot).label.trimEnd();
}

/** AES keys with the label, oldest version first. */
function keysOf({ module, handle }: Session, label: string): readonly Key[] {
  const template = [
    { type: ck.CKA_CLASS, value: ck.CKO_SECRET_KEY },
    { type: ck.CKA_KEY_TYPE, value: ck.CKK_AES },
    { type: ck.CKA_LABEL, value: label },
  ];
  const found: Handle[] = [];
  module.C_FindObjectsInit(handle, template);
  try {
    for (let one = module.C_FindObjects(handle); one !== null; one = module.C_FindObjects(handle)) found.push(one);
  } finally {
    module.C_FindObjectsFinal(handle);
  }
  const keys = found.map((key) => {
    const [id] = module.C_GetAttributeValue(handle, key, [{ type: ck.CKA_ID }]);
    return { handle: key, version: Buffer.isBuffer(id?.value) ? id.value.toString('hex') : '' };
  });
  return keys.sort((a, b) => a.version.length - b.version.length || (a.version < b.version ? -1 : 1));
}

function mechanism(iv: Buffer, owner: KmsOwner): Mechanism {
  const parameter = { type: ck.CK_PARAMS_AES_GCM, iv, ivBits: 8 * IV_BYTES, aad: ownerBytes(owner), tagBits: TAG_BITS };
  return { mechanism: ck.CKM_AES_GCM, parameter };
}
