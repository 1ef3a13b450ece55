/** Protects: what is said of a key service before a server starts: one that binds secrets to nobody is a fault, one that is away a warning. */
import { expect, test, vi } from 'vitest';
import { probeProvider } from '../../../proxy/startup/check-kms.ts';
import { FakeKms } from '../../helpers/fake-kms.ts';

const signal = () => AbortSignal.timeout(60_000);

test('a KMS that refuses another owner is fit', async () => {
  expect(await probeProvider(new FakeKms(), signal())).toEqual({
    level: 'ok',
    subject: 'SEALGATE_KMS',
    text: 'transit:fake wraps, unwraps, and refuses another owner, under the key main, present version 1',
  });
});

test('one that gives a secret out to anybody is a fault: serve does not start with it', async () => {
  const kms = new FakeKms();
  kms.ignoresOwner = true;
  const finding = await probeProvider(kms, signal());
  expect([finding.level, finding.text]).toEqual([
    'fault',
    expect.stringContaining('another owner than it was wrapped for'),
  ]);
});

test('one that hangs and heeds no signal, as the module of an HSM may, is a warning in time', async () => {
  const kms = new FakeKms();
  vi.spyOn(kms, 'wrap').mockImplementation(() => new Promise(() => {}));
  const finding = await probeProvider(kms, AbortSignal.timeout(50));
  expect([finding.level, finding.text]).toEqual(['warning', expect.stringContaining('did not answer in time')]);
});

test.each(['unreachable', 'throttled', 'denied', 'disabled', 'unknown-key', 'unusable'] as const)(
  'one that is %s is a warning: tenants without a KMS are served',
  async (kind) => {
    const kms = new FakeKms();
    kms.failing = kind;
    const finding = await probeProvider(kms, signal());
    expect([finding.level, finding.text]).toEqual(['warning', expect.stringContaining(`(${kind})`)]);
  },
);
