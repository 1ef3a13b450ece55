// Protects: an operator who rotates the seal key is told what still needs the old one, until nothing does.
import { describe, expect, it } from 'vitest';
import { sealKeyCommand } from '../../../proxy/cli/seal-key.ts';
import { SealKeys } from '../../../proxy/keyring/seal-keys.ts';
import { newSealKeys } from '../../helpers/keyring-fixture.ts';
import type { TenancyHarness } from '../../helpers/tenancy-harness.ts';
import { into, json, type KeyCommandBench, openKeyCommands as setup } from './harness.ts';

describe('seal-key', () => {
  it('says what an old seal key is still needed for, until nothing is left', async () => {
    const { harness, run, deps, signal, tenant, key } = await setup();
    const short = json(await run(['create', '--registered', '--json']));
    const [one] = harness.sealKeys.all;
    const [two] = newSealKeys('two').all;
    if (one === undefined || two === undefined) throw new Error('There are two seal keys.');
    const both = { ...deps, sealKeys: new SealKeys([two, one]) };
    const seal = (args: readonly string[]) => into((output) => sealKeyCommand(args, { ...output, deps: both, signal }));
    expect((await seal(['status'])).out[0]).toBe('two  active  keyrings 0  access key ids 0');
    expect((await seal(['status'])).out[1]).toBe('one  needed  keyrings 1  access key ids 2');
    expect((await seal(['status'])).out.slice(2).toSorted()).toEqual(
      [key.slot, short.slot].sort().map((slot) => `  access key id of ${tenant}/${slot}: sealgate key reissue`),
    );
    expect(await seal(['resign'])).toMatchObject({
      code: 0,
      out: ['signed 1 keyrings and sealed 1 records under two'],
    });
    expect(json(await seal(['resign', '--json']))).toEqual({ keyrings: 0, records: 0, tampered: [] });
    const reissue = (environment: NodeJS.ProcessEnv, ...args: readonly string[]) =>
      run(['reissue', ...args], { environment, deps: both });
    const environment = { AWS_ACCESS_KEY_ID: short.accessKeyId, AWS_SECRET_ACCESS_KEY: short.secretAccessKey };
    expect((await reissue(environment, '--drop-old')).code).toBe(0);
    expect((await reissue(await setupEnvironment(key, harness))).code).toBe(0);
    expect((await seal(['status'])).out[1]).toBe('one  can be dropped  keyrings 0  access key ids 0');
    harness.store(Buffer.from('{}'), tenant);
    expect(await seal(['status'])).toMatchObject({ code: 1, err: [expect.stringMatching(/does not verify/)] });
    expect((await seal(['nothing'])).code).toBe(2);
  });
});

async function setupEnvironment(key: KeyCommandBench['key'], harness: TenancyHarness): Promise<NodeJS.ProcessEnv> {
  const { secret } = harness.unseal(key.accessKeyId);
  return { AWS_ACCESS_KEY_ID: key.accessKeyId, AWS_SECRET_ACCESS_KEY: secret.toString() };
}
