// Protects: credentials that end every few seconds, and an issuer that is out of order for a while, cost no request.
import { expect, test } from 'vitest';
import { loadWithTokens } from '../../../../helpers/token-load.ts';

test('tokens of four seconds, for twenty', async (context) => {
  const result = await loadWithTokens({ lifeMs: 4_000, forMs: 20_000, brokenMs: 1_000 });
  if (result === undefined) return context.skip('moto_server is not installed');
  expect(result.errors).toEqual([]);
  expect(result.refused).toEqual({});
  expect(result.issued).toBeGreaterThan(4);
  expect(result.requests).toBeGreaterThan(50);
}, 300_000);
