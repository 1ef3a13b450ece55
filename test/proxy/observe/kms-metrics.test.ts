/** Protects: the metrics of key services. The first failure of one is an increase, and the oldest wrap counts. */
import { expect, test } from 'vitest';
import { createMetrics } from '../../../proxy/observe/metrics.ts';

test('calls are counted by result from zero on, and the age is that of the oldest wrap', async () => {
  const metrics = createMetrics();
  metrics.showKmsProviders(['transit:main']);
  const series = 'sealgate_kms_requests_total{provider="transit:main",operation="unwrap",result="unreachable"}';
  expect(await metrics.render()).toContain(`${series} 0`);
  expect(await metrics.render()).toContain('sealgate_kms_oldest_wrap_age_seconds 0');
  metrics.kmsCall({ provider: 'transit:main', operation: 'unwrap', result: 'unreachable', seconds: 5 });
  const now = Date.now();
  for (const days of [3, 90, 1]) metrics.kmsWrap(now - days * 86_400_000);
  const text = await metrics.render();
  expect(text).toContain(`${series} 1`);
  const age = Number(/^sealgate_kms_oldest_wrap_age_seconds (\S+)$/m.exec(text)?.[1]);
  expect(Math.round(age / 86_400)).toBe(90);
});
