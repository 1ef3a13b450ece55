/** A tenant behind a tenancy, and what others write of its keyring meanwhile. */
import type { Keyring } from '../../../proxy/keyring/state/document.ts';
import { slotDigest } from '../../../proxy/keyring/state/macs.ts';
import { CREATED, makeTenant, resign, type TenantFixture } from '../../helpers/keyring-fixture.ts';
import { TenancyHarness } from '../../helpers/tenancy-harness.ts';

export async function openTenancy(
  o: ConstructorParameters<typeof TenancyHarness>[0] & { slots?: Parameters<typeof makeTenant>[0]['slots'] } = {},
) {
  const harness = new TenancyHarness(o);
  const fixture = await makeTenant({ sealKeys: harness.sealKeys, ...(o.slots ? { slots: o.slots } : {}) });
  harness.store(fixture.keyring);
  const ids = fixture.keys.map((key) => key.accessKeyId);
  const [id = ''] = ids;
  return { harness, fixture, id, ids };
}

/** A later generation. */
export function next(keyring: Keyring, change: Partial<Keyring>): Keyring {
  return { ...keyring, generation: keyring.generation + 1, ...change };
}

/** The keyring without the first slot of the fixture, as S alone would write it. */
export function revoke(harness: TenancyHarness, fixture: TenantFixture): Keyring {
  const [key] = fixture.keys;
  const slots = fixture.keyring.slots.filter((slot) => slot.id !== key?.slot);
  const removed = fixture.keySlots
    .filter((slot) => slot.id === key?.slot)
    .map((slot) => ({ digest: slotDigest(slot), id: slot.id, removed: CREATED, type: slot.type }));
  return resign(next(fixture.keyring, { slots, removed }), harness.sealKeys);
}
