/** From what a person calls a key of a KMS, `NAME/KEY`, to a provider of the settings and the key there. */
import { suggestion } from '../../config/nearest.ts';
import type { KmsKeyName, KmsSecrets } from '../../kms/kms-secrets.ts';
import { KeyError } from './key-errors.ts';

/** No provider has that name. */
export class UnknownKms extends KeyError {
  readonly code = 'UNKNOWN_KMS';
}

/** `NAME` alone means the provider's own key. @throws UnknownKms */
export function kmsKeyName(secrets: KmsSecrets, reference: string): KmsKeyName {
  const [name = '', ...rest] = reference.split('/');
  const { providers } = secrets;
  const provider = providers.find((one) => nameOf(one) === name);
  if (provider === undefined) {
    const names = providers.map(nameOf);
    const none = names.length === 0 ? ' SEALGATE_KMS is not set.' : suggestion(name, names);
    throw new UnknownKms(`SEALGATE_KMS has no provider '${name}'. A key of a KMS is named NAME/KEY.${none}`);
  }
  const key = rest.join('/');
  return { provider: provider.name, key: key === '' ? provider.key : key };
}

function nameOf({ name }: { readonly name: string }): string {
  return name.slice(name.indexOf(':') + 1);
}
