/** Numbers of PKCS #11, and what its return values mean for whoever waits for a secret. (Source: OASIS, PKCS #11 3.1, pkcs11t.h.) */
import { KmsFailure, type KmsFailureKind } from '../provider.ts';

export const CKF_SERIAL_SESSION = 4;
export const CKU_USER = 1;
export const CKO_SECRET_KEY = 4;
export const CKK_AES = 0x1f;
export const CKA_CLASS = 0;
export const CKA_LABEL = 3;
export const CKA_KEY_TYPE = 0x100;
export const CKA_ID = 0x102;
export const CKA_EXTRACTABLE = 0x162;
export const CKM_AES_GCM = 0x1087;
/** Of pkcs11js: how the parameters of AES-GCM are laid out. */
export const CK_PARAMS_AES_GCM = 3;
export const CKR_USER_ALREADY_LOGGED_IN = 0x100;

const KINDS: Readonly<Record<number, KmsFailureKind>> = {
  /** CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE, CKR_AEAD_DECRYPT_FAILED. */
  64: 'mismatch',
  65: 'mismatch',
  66: 'mismatch',
  /** CKR_KEY_TYPE_INCONSISTENT, CKR_MECHANISM_INVALID, CKR_MECHANISM_PARAM_INVALID. */
  99: 'unusable',
  112: 'unusable',
  113: 'unusable',
  /** CKR_KEY_FUNCTION_NOT_PERMITTED: the key was set to decrypt no more. */
  104: 'disabled',
  /** CKR_PIN_INCORRECT, CKR_PIN_INVALID, CKR_PIN_LEN_RANGE, CKR_PIN_EXPIRED, CKR_PIN_LOCKED. */
  160: 'denied',
  161: 'denied',
  162: 'denied',
  163: 'denied',
  164: 'denied',
};

/** CKR_GENERAL_ERROR. */
const GENERAL_ERROR = 5;

/**
 * An error of pkcs11js names the return value by `code`. A return value that is not in the table says that the HSM is out of
 * order. `isDecrypting`: some modules, SoftHSM among them, answer CKR_GENERAL_ERROR to a tag that does not fit.
 */
export function failureOfCode(error: unknown, name: string, o: { readonly isDecrypting: boolean }): KmsFailure {
  if (error instanceof KmsFailure) return error;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'number') return new KmsFailure('unreachable', `${name}: the module failed`, { cause: error });
  const kind = KINDS[code] ?? (code === GENERAL_ERROR && o.isDecrypting ? 'mismatch' : 'unreachable');
  return new KmsFailure(kind, `${name}: the module answered ${code}`, { cause: error });
}
