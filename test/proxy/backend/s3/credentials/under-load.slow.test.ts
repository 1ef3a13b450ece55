// Protects: credentials that end every few seconds, and an issuer that is out of order for a while, cost no request.
import { expect, test } from 'vitest';
import { loadWithTokens } from '../../../../helpers/token-load.ts';

/** The full length: TOKEN_LIFE_SECONDS=120 TOKEN_RUN_SECONDS=600. */
const LIFE_MS = 1000 * Number(process.env['TOKEN_LIFE_SECONDS'] ?? 4);
const RUN_MS = 1000 * Number(process.env['TOKEN_RUN_SECONDS'] ?? 20);

test(
  `tokens of ${LIFE_MS} ms, for ${RUN_MS}`,
  async (context) => {
    const result = await loadWithTokens({ lifeMs: LIFE_MS, forMs: RUN_MS, brokenMs: LIFE_MS / 4 });
    if (result === undefined) return context.skip('moto_server is not installed');
    const { errors, ...counts } = result;
    console.log(`tokens: ${JSON.stringify({ ...counts, errors: errors.length })}`);
    expect(result.errors).toEqual([]);
    expect(result.refused).toEqual({});
    expect(result.issued).toBeGreaterThanOrEqual(RUN_MS / LIFE_MS);
    expect(result.requests).toBeGreaterThan(50);
  },
  RUN_MS + 300_000,
);
