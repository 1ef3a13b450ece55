/** Checks whether the store accepts these credentials, what its clock says, and what it can do. */
import type { Backend } from '../backend/backend.ts';
import { type Capabilities, describeCapabilities } from '../backend/capabilities.ts';
import { probeCapabilities } from '../backend/probe.ts';
import { discard } from '../backend/read-body.ts';
import type { Config } from '../config/config.ts';
import { CLOCK_WARNING_MS, PROBE_TIMEOUT_MS } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';
import { type Finding, fault, ok, type Tell, warning } from './finding.ts';
import { findingOf } from './store-finding.ts';

/** Asks for the state bucket, and makes it if `makesBucket`. Whether it is there; undefined after a fault. */
export async function checkStore(
  storage: Storage,
  o: { readonly config: Config; readonly makesBucket: boolean; readonly now: () => Date },
  tell: Tell,
): Promise<boolean | undefined> {
  const { backend, state } = storage;
  try {
    await readClock(backend, state.bucket, (storeTime) => tell(ofClock(storeTime, o.now())));
    const exists = await state.hasBucket(AbortSignal.timeout(PROBE_TIMEOUT_MS));
    if (!exists && o.makesBucket) await state.ensureBucket(AbortSignal.timeout(PROBE_TIMEOUT_MS));
    tell(ok('store', `${backend.description} answers`));
    if (!exists && !o.makesBucket) {
      tell(warning('SEALGATE_STATE', `the bucket ${state.bucket} does not exist`, 'serve makes it when it starts'));
    }
    return exists || o.makesBucket;
  } catch (error) {
    tell(await findingOf(error, { subject: 'store', store: backend.description }));
    return undefined;
  }
}

/** Whatever else the answer says, `hasBucket` judges. */
async function readClock(backend: Backend, bucket: string, onTime: (storeTime: number) => void): Promise<void> {
  const response = await backend.send({ method: 'HEAD', bucket, signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) });
  discard(response);
  const storeTime = Date.parse(response.headers['date'] ?? '');
  if (!Number.isNaN(storeTime)) onTime(storeTime);
}

function ofClock(storeTime: number, now: Date): Finding {
  const offMs = now.getTime() - storeTime;
  const off = `${Math.round(Math.abs(offMs) / 1000)} s ${offMs < 0 ? 'behind' : 'ahead of'} the store's`;
  if (Math.abs(offMs) < CLOCK_WARNING_MS) return ok('clock', `within ${CLOCK_WARNING_MS / 1000} s of the store's`);
  return warning(
    'clock',
    `this machine's clock is ${off}; stores refuse signatures that are 900 s off`,
    'Synchronise it (NTP)',
  );
}

/** What the store can do; undefined after a fault. */
export async function checkCapabilities(
  storage: Storage,
  config: Config,
  tell: Tell,
): Promise<Capabilities | undefined> {
  const { bucket, prefix } = config.state;
  let found: Capabilities;
  try {
    const signal = AbortSignal.timeout(PROBE_TIMEOUT_MS);
    found = await probeCapabilities(storage.backend, { bucket, prefix: `${prefix}probe/`, signal });
  } catch (error) {
    tell(await findingOf(error, { subject: 'SEALGATE_STATE', store: storage.backend.description }));
    return undefined;
  }
  tell(ok('capabilities', describeCapabilities(found)));
  return judged(found, config, tell) ? found : undefined;
}

/** A store that cannot be served safely is a fault, reported by the name of the setting that needs the capability. */
function judged(found: Capabilities, config: Config, tell: Tell): boolean {
  if (!found.discardsCutBodies) {
    tell(
      fault(
        'SEALGATE_BACKEND',
        'stores uploads that break off half-way, so no upload would be safe on it',
        'Use another store',
      ),
    );
    return false;
  }
  if (found.conditionalPutIfMatch) return true;
  if (config.workersAreSet && config.workers > 1) {
    tell(
      fault(
        'SEALGATE_WORKERS',
        'must be 1: the backend has no compare-and-swap, so the state cannot be shared',
        'Unset it, or set it to 1',
      ),
    );
    return false;
  }
  tell(
    warning(
      'capabilities',
      'the backend has no compare-and-swap',
      'Run one server and no other, and change keys while it is stopped',
    ),
  );
  return true;
}
