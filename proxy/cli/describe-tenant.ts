/** Tenants and keys as lines for people; `--json` shows the same values as they are. */

import type { KeyDetails } from '../keyring/admin/describe-key.ts';
import type { TenantDetails, TenantSummary } from '../keyring/admin/tenant-admin.ts';
import type { Grant } from '../keyring/grants.ts';
import type { Kdf } from '../keyring/slots/kdf.ts';
import { type RequestedKdf, withoutWait } from '../keyring/slots/requested-kdf.ts';

const SERVER_MANAGED = 'server-managed';

export function describeSummary(summary: TenantSummary): string {
  if (summary.status === 'tampered') return `${summary.tenant}  TAMPERED  ${summary.detail}`;
  if (summary.status === 'seal-key-missing') {
    return `${summary.tenant}  signed under seal key ${summary.sealKey}, which is not configured`;
  }
  const { tenant, created, generation, keys, sealKey, serverManaged } = summary;
  const managed = serverManaged ? `  ${SERVER_MANAGED}` : '';
  const { name, labels, grants, lastUsed, escrowed } = summary;
  const more = [
    ...(name === '' ? [] : [name]),
    ...labels.map((label) => JSON.stringify(label)),
    ...grants.map(describeGrant),
    `last used ${lastUsed ?? 'not recorded'}`,
    ...(escrowed ? ['escrowed'] : []),
  ];
  return `${tenant}  ${more.join('  ')}  created ${created}  keys ${keys}  generation ${generation}  seal key ${sealKey}${managed}`;
}

export function describeTenantLines(details: TenantDetails): readonly string[] {
  return [
    `tenant      ${details.tenant}${details.serverManaged ? `  ${SERVER_MANAGED}` : ''}`,
    ...(details.name === '' ? [] : [`name        ${details.name}`]),
    `created     ${details.created}`,
    `updated     ${details.updated}`,
    `generation  ${details.generation}`,
    `seal key    ${details.sealKey}`,
    ...(details.requiresKms ? ['kms         required for every way in'] : []),
    ...details.epochs.map(({ epoch, state, created }) => `epoch       ${epoch}  ${state}  created ${created}`),
    ...describeOtherSlots(details),
    ...details.keys.flatMap(describeKeyLines),
    ...details.removedKeys.map(({ slot, removed }) => `key         ${slot}  removed ${removed}`),
  ];
}

export function describeKeyLines(key: KeyDetails): readonly string[] {
  const { slot, status, label, created, expires, kdf, kdfUpgrade, grants, policy, serverManaged, idSealKey, kms } = key;
  const note = label === '' ? '' : `  ${JSON.stringify(label)}`;
  const ids = serverManaged ? `registered (${key.registeredIds})` : 'sealed';
  return [
    `key         ${slot}  ${status}${serverManaged ? `  ${SERVER_MANAGED}` : ''}${note}`,
    `  created   ${created}`,
    `  expires   ${expires ?? 'never'}`,
    `  last used ${key.lastUsed ?? key.lastUsedNote}`,
    `  id        ${ids}, under seal key ${idSealKey}`,
    `  kdf       ${describeKdf(kdf)}`,
    ...(kdfUpgrade === null ? [] : [`  kdf next  ${describeRequested(kdfUpgrade)}`]),
    ...(kms === null ? [] : [`  kms       ${describeKms(kms)}`]),
    ...grants.map((grant) => `  grant     ${describeGrant(grant)}`),
    ...(policy === null ? [] : [`  policy    ${policy}`]),
  ];
}

/** The absence of an escrow is stated: an operator looks for it. */
function describeOtherSlots({ otherSlots }: TenantDetails): readonly string[] {
  const none = otherSlots.some(({ type }) => type === 'escrow') ? [] : ['escrow      none'];
  const lines = otherSlots.flatMap(({ slot, type, created, epochs, serverManaged, details }) => [
    `${type.padEnd(11)} ${slot}${serverManaged ? `  ${SERVER_MANAGED}` : ''}`,
    `  created   ${created}`,
    `  epochs    ${epochs.join(', ')}`,
    ...Object.entries(details).map(([name, value]) => `  ${name.padEnd(9)} ${value}`),
  ]);
  return [...none, ...lines];
}

export function describeKms({ provider, key, version, wrapped }: NonNullable<KeyDetails['kms']>): string {
  return `${provider} ${key}${version === '' ? '' : ` version ${version}`}, wrapped ${wrapped}`;
}

function describeRequested(requested: RequestedKdf): string {
  const { after } = requested;
  const wait = after === undefined ? '' : `, not before ${after}: sessions may live`;
  return `${describeKdf(withoutWait(requested))}${wait}`;
}

function describeKdf(kdf: Kdf): string {
  const { name, ...parameters } = kdf;
  return [name, ...Object.entries(parameters).map(([parameter, value]) => `${parameter}=${value}`)].join(' ');
}

export function describeGrant({ bucket, prefix, access }: Grant): string {
  return `${bucket}/${prefix}*  ${access}`;
}
