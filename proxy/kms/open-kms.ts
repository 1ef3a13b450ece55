/** The key services of the settings, as the rest of the program uses them. Nothing is asked of any of them here. */
import type { KmsConfig, KmsProviderConfig } from '../config/kms-config.ts';
import { AwsKms } from './aws-kms/aws-kms.ts';
import { type KmsObserver, KmsSecrets } from './kms-secrets.ts';
import { Pkcs11 } from './pkcs11/pkcs11.ts';
import type { KmsProvider } from './provider.ts';
import { Transit } from './transit/transit.ts';

export function openKms(
  { providers, cacheMs, graceMs }: KmsConfig,
  o: {
    readonly now?: () => number;
    readonly observer?: KmsObserver;
    /** In place of those of the settings. */
    readonly providers?: readonly KmsProvider[] | undefined;
  } = {},
): KmsSecrets {
  return new KmsSecrets({ ...o, providers: o.providers ?? providers.map(openProvider), cacheMs, graceMs });
}

function openProvider(config: KmsProviderConfig): KmsProvider {
  if (config.kind === 'transit') return new Transit(config);
  if (config.kind === 'aws-kms') return new AwsKms(config);
  return new Pkcs11(config);
}
