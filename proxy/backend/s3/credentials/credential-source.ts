/** Where the proxy's own credentials at the store come from. They may change while it runs. */
import type { CredentialStatus } from '../../backend.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface CredentialSource {
  /**
   * The credentials in force: at once when they are at hand. The same object for as long as they do not change.
   * @throws BackendUnavailable
   */
  current(): Credentials | Promise<Credentials>;
  readonly status: CredentialStatus;
}

/** For the log. `renewed`: others are in force now. `failed`: they could not be had, and those in force stay so until they end. */
export type CredentialEvent =
  | { readonly kind: 'renewed'; readonly expires: number | undefined }
  | { readonly kind: 'failed'; readonly error: Error; readonly expires: number | undefined };

export type OnCredentialEvent = (event: CredentialEvent) => void;

/** Such as a key pair in settings has. */
export function fixedCredentials({ accessKeyId, secretAccessKey, sessionToken }: Credentials): CredentialSource {
  const credentials = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
  return { current: () => credentials, status: { expires: undefined, failures: 0 } };
}
