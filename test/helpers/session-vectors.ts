/**
 * Makes test/vectors/keyring/sessions.json: run with Node from the repository's root. The values are random, as those of
 * keyring-vectors.ts; only a change of the format is a reason to make others.
 */
import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { sealRoleArn } from '../../proxy/keyring/access-keys/role-arn.ts';
import type { SealKeys } from '../../proxy/keyring/access-keys/seal-keys.ts';
import { withTerms } from '../../proxy/keyring/admin/edit-slots.ts';
import { sealRecord } from '../../proxy/keyring/sessions/day-records.ts';
import { dayNumber, dayText } from '../../proxy/keyring/sessions/days.ts';
import type { SessionDetails } from '../../proxy/keyring/sessions/details.ts';
import { issueSession } from '../../proxy/keyring/sessions/token.ts';
import { kdfInput } from '../../proxy/keyring/slots/api-key.ts';
import { slotSecretOf } from '../../proxy/keyring/slots/api-key-slot.ts';
import { KdfRunner } from '../../proxy/keyring/slots/kdf.ts';
import type { Slot } from '../../proxy/keyring/slots/slot-types.ts';
import { canonicalJson } from '../../proxy/keyring/state/canonical-json.ts';
import type { Keyring } from '../../proxy/keyring/state/document.ts';
import {
  byId,
  CREATED,
  currentRoot,
  fakeRole,
  makeTenant,
  remac,
  resign,
  type TenantFixture,
} from './keyring-fixture.ts';
import { vectorSealKeys } from './keyring-vectors.ts';

export interface SessionVector {
  readonly name: string;
  readonly sealKeys: readonly { readonly kid: string; readonly key: string }[];
  /** Stored text by name. */
  readonly records: Readonly<Record<string, string>>;
  readonly sessionToken: string;
  /** Of the role that the session is of. */
  readonly arn?: string;
  /** The stored text. */
  readonly keyring: string;
  /** What comes out, root keys in hex by epoch among it, or the step that refuses. */
  readonly result: Readonly<Record<string, unknown>> | string;
}

const SEAL_KEYS = [{ kid: 'vector-1', key: '11'.repeat(32) }] as const;

export async function makeSessionVectors(): Promise<readonly SessionVector[]> {
  const sealKeys = vectorSealKeys(SEAL_KEYS);
  const sealKey = sealKeys.active;
  const made = await makeTenant({ sealKeys });
  const [slot] = made.keySlots;
  const apiKey = made.keys[0]?.apiKey;
  if (slot === undefined || apiKey === undefined) throw new Error('The fixture has a key.');
  const { tenant, roots, keyring } = made;
  const runner = new KdfRunner();
  const signal = new AbortController().signal;
  const callerSecret = await slotSecretOf({ tenant, slot, secret: kdfInput(apiKey), runner }, signal);
  const issuedAt = Date.parse(CREATED) / 1000;
  const day = dayNumber(new Date(CREATED));
  const secret = randomBytes(32);
  const key = { tag: sealKey.tag, kid: sealKey.kid, day, key: sealKey.sessionKey(secret) };
  const recordName = `sessions/${dayText(day)}/${sealKey.kid}`;
  const records = { [recordName]: sealRecord(secret, sealKey, day).toString('utf8') };
  const issue = (details: SessionDetails = {}, of = { callerSecret, slot: slot.id }) => {
    const session = {
      ...of,
      tenant,
      slotSerial: 0,
      roleSerial: 0,
      issuedAt,
      endsAt: issuedAt + 900,
      details,
    };
    const { sessionToken, ...credentials } = issueSession(session, key);
    const { callerSecret: _secret, details: _details, ...said } = session;
    const text = Object.keys(details).length === 0 ? '' : JSON.stringify(details);
    const rootsInHex = Object.fromEntries([...roots].map(([epoch, root]) => [epoch, root.export().toString('hex')]));
    return { sessionToken, result: { ...credentials, ...said, details: text, roots: rootsInHex } };
  };
  const bare = issue();
  const stored = (one: Keyring) => canonicalJson(one).toString('utf8');
  const opens = { sealKeys: SEAL_KEYS, records, keyring: stored(keyring) };
  const refused = (name: string, result: string, changed: Partial<SessionVector>): SessionVector => ({
    name,
    ...opens,
    sessionToken: bare.sessionToken,
    ...changed,
    result,
  });
  const flipped =
    bare.sessionToken.slice(0, 40) + (bare.sessionToken[40] === 'A' ? 'B' : 'A') + bare.sessionToken.slice(41);
  const other = sealRecord(randomBytes(32), sealKey, day).toString('utf8');
  const dayAfter = `sessions/${dayText(day + 1)}/${sealKey.kid}`;
  const nextDay = Buffer.from(bare.sessionToken.slice(4), 'base64url');
  nextDay.writeUInt16BE(day + 1, 1);
  const role = await makeRole(made, sealKeys);
  const ofRole = { ...opens, keyring: stored(role.keyring) };
  const roleSession = issue({ role: 'ci', name: 'job-1' }, { callerSecret: role.slotSecret, slot: role.slot });
  return [
    { name: 'a session of a role', ...ofRole, arn: role.arn, ...roleSession },
    {
      ...ofRole,
      name: 'the ARN of a role with another name',
      arn: role.arn.replace('/ci/', '/cd/'),
      sessionToken: roleSession.sessionToken,
      result: 'arn',
    },
    { name: 'a session that says nothing', ...opens, ...bare },
    {
      name: 'a session with every detail',
      ...opens,
      ...issue({
        role: 'ci',
        name: 'job-1',
        policy: '{"Version":"2012-10-17","Statement":[]}',
        tags: { team: 'blau ü' },
        callerTags: { wallet: 'w' },
        issuer: 'https://issuer.example',
        subject: 'repo:org/app',
        uses: { id: 'u', max: 1, until: issuedAt + 900 },
      }),
    },
    refused("the record of the token's day gone", 'token', { records: {} }),
    refused("another secret in the record of the token's day", 'token', { records: { [recordName]: other } }),
    refused('the record of another day under the name of the day', 'token', {
      records: { [recordName]: sealRecord(secret, sealKey, day + 1).toString('utf8') },
    }),
    refused('the record of the day renamed, and the day of the token altered', 'token', {
      records: { [dayAfter]: records[recordName] ?? '' },
      sessionToken: `SGS1${nextDay.toString('base64url')}`,
    }),
    refused('a token with a character changed', 'token', { sessionToken: flipped }),
    refused('a token without its last character', 'token', { sessionToken: bare.sessionToken.slice(0, -1) }),
    refused('a token of another prefix', 'token', { sessionToken: `SGS2${bare.sessionToken.slice(4)}` }),
    refused("the slot's serial raised since", 'slot', {
      keyring: stored(resign(withTerms(keyring, slot.id, { sessionSerial: 1 }), sealKeys)),
    }),
    refused('the slot inactive', 'slot', {
      keyring: stored(resign(withTerms(keyring, slot.id, { status: 'inactive' }), sealKeys)),
    }),
    refused("another tenant's keyring", 'tenant', { keyring: stored((await makeTenant({ sealKeys })).keyring) }),
  ];
}

async function makeRole({ tenant, roots, keyring }: TenantFixture, sealKeys: SealKeys) {
  const slotSecret = randomBytes(32);
  const slot = await fakeRole({ tenant, roots, slotSecret, idKid: sealKeys.active.kid });
  const changed = { ...keyring, slots: byId<Slot>([...keyring.slots, slot]) };
  const arn = sealRoleArn({ tenant, slot: slot.id, slotSecret }, { name: slot.name, sealKey: sealKeys.active });
  return { slot: slot.id, slotSecret, arn, keyring: resign(remac(changed, currentRoot(roots)), sealKeys) };
}

if (import.meta.main) {
  const file = new URL('../vectors/keyring/sessions.json', import.meta.url);
  await writeFile(file, `${JSON.stringify(await makeSessionVectors(), null, 2)}\n`);
}
