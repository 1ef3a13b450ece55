/** Whether the records of buckets verify, and what opaque ETags cost where legacy objects are allowed. */
import type { Config } from '../config/config.ts';
import { listBucketRecords } from '../keyring/buckets/bucket-admin.ts';
import { PROBE_TIMEOUT_MS, START_BUCKETS_READ } from '../running-limits.ts';
import type { Storage } from '../runtime.ts';
import { ok, type Tell, warning } from './finding.ts';
import { findingOf } from './store-finding.ts';

const SUBJECT = 'SEALGATE_ETAGS';

/** Of the first records: a start must not read thousands. Never a fault: one damaged record is one bucket's trouble. */
export async function checkEtags(
  storage: Storage,
  config: Pick<Config, 'etags' | 'legacy' | 'sealKeys'>,
  tell: Tell,
): Promise<void> {
  const { state, backend } = storage;
  const deps = { state, sealKeys: config.sealKeys, record: () => {}, now: () => new Date() };
  const opaque: string[] = [];
  const counts = { records: 0, damaged: 0 };
  try {
    for await (const listed of listBucketRecords(deps, AbortSignal.timeout(PROBE_TIMEOUT_MS))) {
      if (counts.records === START_BUCKETS_READ) break;
      counts.records += 1;
      if (listed.status === 'ok') {
        if (listed.record.etags === 'opaque') opaque.push(listed.bucket);
        continue;
      }
      counts.damaged += 1;
      const todo = 'Requests to the bucket are refused until the seal key is configured, or the record is set again';
      tell(warning(`bucket ${listed.bucket}`, listed.detail.replace(/\.$/, ''), todo));
    }
  } catch (error) {
    tell(await findingOf(error, { subject: SUBJECT, store: backend.description }));
    return;
  }
  if (config.legacy.kind === 'allow' && (config.etags === 'opaque' || opaque.length > 0)) {
    const which =
      config.etags === 'opaque' ? 'buckets' : `the ${opaque.length === 1 ? 'bucket' : 'buckets'} ${opaque.join(', ')}`;
    const text = `listings of ${which} with opaque ETags look up every object, since a legacy object may have any length`;
    tell(warning(SUBJECT, text, 'SEALGATE_LEGACY=deny, or before:TIME, lets stored lengths tell the sizes'));
  } else if (counts.damaged === 0) {
    tell(ok(SUBJECT, `${config.etags} unless a bucket has a record; ${counts.records} have`));
  }
}
