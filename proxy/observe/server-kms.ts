/** The key services of a server, observed: calls and ages of wraps as metrics, and each use of a grace as an event. */
import type { KmsConfig } from '../config/kms-config.ts';
import type { KmsObserver, KmsSecrets } from '../kms/kms-secrets.ts';
import { openKms } from '../kms/open-kms.ts';
import type { KmsProvider } from '../kms/provider.ts';
import type { RecordEvent } from './events.ts';
import type { Metrics } from './metrics.ts';

export function openServerKms(
  config: KmsConfig,
  o: {
    readonly now: () => Date;
    readonly metrics: Metrics;
    readonly record: RecordEvent;
    /** In place of those of the configuration. */
    readonly providers: readonly KmsProvider[] | undefined;
  },
): KmsSecrets {
  const { now, metrics, providers } = o;
  const kms = openKms(config, { now: () => now().getTime(), observer: observerOf(o), providers });
  metrics.showKmsProviders(kms.providers.map(({ name }) => name));
  return kms;
}

function observerOf(o: { readonly metrics: Metrics; readonly record: RecordEvent }): KmsObserver {
  return {
    called: (call) => o.metrics.kmsCall(call),
    seen: ({ wrapped }) => o.metrics.kmsWrap(Date.parse(wrapped)),
    grace({ owner, provider, reason }) {
      const detail = `A secret of slot ${owner.slot} is used beyond its time, since ${provider} cannot be asked: ${reason}`;
      // The sink may be an audit that fails; the request goes on by the grace that was set.
      void Promise.resolve(o.record({ kind: 'kms-grace', detail, tenant: owner.tenant })).catch(() => undefined);
    },
  };
}
