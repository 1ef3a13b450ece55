/**
 * What a client sees with a store over the network: the suites in which a store can differ most. All of them run on it in
 * on-moto.slow.test.ts.
 */
import { afterAll, describe, expect, test } from 'vitest';
import { startMoto } from '../helpers/moto.ts';
import { runOnMoto } from './suites/moto.ts';

const moto = await startMoto();
afterAll(() => moto?.stop());

describe('moto', () => {
  test('serves, or is not installed', async () => {
    expect(moto === undefined || (await fetch(moto.endpoint)).status < 500).toBe(true);
  });

  runOnMoto(moto, { asItIs: ['conditions'], strictly: ['round trips'] });
});
