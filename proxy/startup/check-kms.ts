/**
 * Each key service of the settings, tried out with its own key: a random secret is wrapped and unwrapped, and then asked for on
 * behalf of another owner. A KMS that gives it out then does not bind the secret to anybody: serve does not start with one. One
 * that cannot be reached is no reason not to start: tenants without a KMS do not need it.
 */
import { randomBytes } from 'node:crypto';
import type { KmsConfig } from '../config/kms-config.ts';
import { openKms } from '../kms/open-kms.ts';
import { KmsFailure, type KmsOwner, type KmsProvider } from '../kms/provider.ts';
import { untilAborted } from '../kms/until-aborted.ts';
import { KMS_PROBE_TIMEOUT_MS } from '../kms-limits.ts';
import { type Finding, fault, ok, type Tell, warning } from './finding.ts';

const SETTING = 'SEALGATE_KMS';
const OWNER: KmsOwner = { purpose: 'probe', tenant: '00'.repeat(12), slot: '00'.repeat(4) };
const OTHERS: readonly KmsOwner[] = [
  { ...OWNER, slot: '00000001' },
  { ...OWNER, tenant: `${'00'.repeat(11)}01` },
  { ...OWNER, purpose: 'kms' },
];

export async function checkKms(config: KmsConfig, tell: Tell): Promise<void> {
  const kms = openKms(config);
  try {
    for (const provider of kms.providers) {
      const finding = await probeProvider(provider, AbortSignal.timeout(KMS_PROBE_TIMEOUT_MS));
      tell(finding);
    }
  } finally {
    await kms.close();
  }
}

export async function probeProvider(provider: KmsProvider, signal: AbortSignal): Promise<Finding> {
  const { name, key } = provider;
  const within = <T>(work: Promise<T>) => untilAborted(work, signal, name);
  const secret = randomBytes(32);
  try {
    const wrapped = await within(provider.wrap(secret, { key, owner: OWNER }, signal));
    if (!(await within(provider.unwrap(wrapped, OWNER, signal))).equals(secret)) {
      return fault(SETTING, `${name} gives back another secret than it was given`, 'Do not use this key service');
    }
    for (const other of OTHERS) {
      if (await gives(within(provider.unwrap(wrapped, other, signal)))) {
        return fault(
          SETTING,
          `${name} unwraps a secret for another owner than it was wrapped for`,
          'Use a key that authenticates additional data, such as aes256-gcm96',
        );
      }
    }
    const { current } = await within(provider.keyState(key, signal));
    const version = current === '' ? '' : `, present version ${current}`;
    return ok(SETTING, `${name} wraps, unwraps, and refuses another owner, under the key ${key}${version}`);
  } catch (error) {
    if (!(error instanceof KmsFailure)) throw error;
    const text = `${name} cannot be used (${error.kind}): ${error.message.replace(/\.$/, '')}`;
    return warning(SETTING, text, 'Keys that need it get 503 until it can be');
  }
}

/** Whether the KMS gives the secret out. @throws KmsFailure that says nothing of it */
async function gives(unwrapped: Promise<Buffer>): Promise<boolean> {
  try {
    await unwrapped;
    return true;
  } catch (error) {
    if (error instanceof KmsFailure && error.kind === 'mismatch') return false;
    throw error;
  }
}
