/**
 * The part of the package `pkcs11js` that is used, and how it is loaded. The package has native code that is compiled when it is
 * installed, so it is no dependency: whoever has an HSM installs it. A process initialises each module of an HSM once.
 */
import { KmsFailure } from '../provider.ts';

export type Handle = Buffer;

interface Attribute {
  readonly type: number;
  readonly value?: Buffer | number | boolean | string;
}

export interface Mechanism {
  readonly mechanism: number;
  readonly parameter: {
    readonly type: number;
    readonly iv: Buffer;
    readonly ivBits: number;
    readonly aad: Buffer;
    readonly tagBits: number;
  };
}

/** Functions of PKCS #11, by their own names. */
interface Cryptoki {
  load(path: string): void;
  close(): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GetSlotList(tokenPresent: boolean): readonly Handle[];
  C_GetTokenInfo(slot: Handle): { readonly label: string };
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, user: number, pin: string): void;
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
  C_FindObjects(session: Handle): Handle | null;
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(session: Handle, object: Handle, template: readonly Attribute[]): readonly Attribute[];
  C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_EncryptAsync(session: Handle, data: Buffer, into: Buffer): Promise<Buffer>;
  C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_DecryptAsync(session: Handle, data: Buffer, into: Buffer): Promise<Buffer>;
}

interface Package {
  readonly PKCS11: new () => Cryptoki;
}

/** A module that is initialised. */
export type Module = Omit<Cryptoki, 'load' | 'close' | 'C_Initialize' | 'C_Finalize'>;

const modules = new Map<string, { readonly module: Cryptoki; readonly isOwn: boolean; users: number }>();

const CKR_CRYPTOKI_ALREADY_INITIALIZED = 0x191;

/** `provider`: for the message. @throws KmsFailure */
export async function acquireModule(path: string, provider: string): Promise<Module> {
  const { PKCS11 } = await loadPackage(provider);
  const known = modules.get(path);
  if (known !== undefined) {
    known.users += 1;
    return known.module;
  }
  const module = new PKCS11();
  module.load(path);
  modules.set(path, { module, isOwn: initialised(module), users: 1 });
  return module;
}

export function releaseModule(path: string): void {
  const known = modules.get(path);
  if (known === undefined) return;
  known.users -= 1;
  if (known.users > 0) return;
  modules.delete(path);
  if (!known.isOwn) return;
  known.module.C_Finalize();
  known.module.close();
}

/** False: something else in this process has initialised the module, and is to finalise it. */
function initialised(module: Cryptoki): boolean {
  try {
    module.C_Initialize();
    return true;
  } catch (error) {
    if ((error as { code?: unknown }).code === CKR_CRYPTOKI_ALREADY_INITIALIZED) return false;
    throw error;
  }
}

/** By a name that no bundler follows: the package is looked for where the program runs. */
const PACKAGE: string = 'pkcs11js';

async function loadPackage(provider: string): Promise<Package> {
  try {
    const loaded = (await import(PACKAGE)) as { readonly default: Package };
    return loaded.default;
  } catch (cause) {
    const text = `${provider} needs the package pkcs11js, which cannot be loaded: npm install pkcs11js@2.1.7`;
    throw new KmsFailure('unusable', text, { cause });
  }
}
