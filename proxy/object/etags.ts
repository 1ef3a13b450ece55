/**
 * The two forms of an object's ETag. In `md5` mode an ETag is the MD5 of the plaintext, as in S3 without encryption. In `opaque`
 * mode the ETag is the store's own, and ends in `-N`: no client takes such an ETag for an MD5. A bucket has one mode, which can
 * change, so conditions accept both forms.
 */
import type { LateAttributes } from '../../crypto/attributes.ts';
import { BackendUnavailable } from '../backend/backend.ts';
import { unquote } from './conditions.ts';

export type EtagMode = 'md5' | 'opaque';
export const ETAG_MODES: readonly [EtagMode, ...EtagMode[]] = ['md5', 'opaque'];

/** Which mode a bucket has. */
export interface EtagModes {
  /** A promise only when the bucket's record has to be read. @throws S3Error AccessDenied, ServiceUnavailable */
  of(bucket: string, signal: AbortSignal): EtagMode | Promise<EtagMode>;
}

/** For work that shows no client an ETag. */
export const MD5_ETAGS: EtagModes = { of: () => 'md5' };

/** The opaque form, unquoted. `stored`: the store's ETag, quoted or not. An ETag without `-` gets `-1`, as S3 gives to one part. */
export function opaqueEtag(stored: string): string {
  const etag = unquoted(stored);
  return etag.includes('-') ? etag : `${etag}-1`;
}

/** As `unquote`, at once where the ETag is as stores write it: listings have thousands. */
function unquoted(stored: string): string {
  return stored.startsWith('"') && stored.endsWith('"') && stored.length > 1 ? stored.slice(1, -1) : unquote(stored);
}

/** What an ETag is made of: what was computed of the plaintext, and the store's own ETag. */
export interface EtagSources {
  readonly late: Pick<LateAttributes, 'md5' | 'partCount'>;
  /** Quoted or not. Absent where the store's answer has none. */
  readonly stored: string | undefined;
}

/**
 * The ETag of a sealed object, unquoted. An object without an MD5 has the opaque form in both modes.
 * @throws BackendUnavailable when the store's ETag is needed and absent
 */
export function sealedEtag(mode: EtagMode, { late, stored }: EtagSources): string {
  const { md5, partCount } = late;
  if (mode === 'md5' && md5 !== undefined)
    return partCount === 0 ? md5.toString('hex') : `${md5.toString('hex')}-${partCount}`;
  if (stored === undefined) throw new BackendUnavailable('its answer lacks the ETag');
  return opaqueEtag(stored);
}

/** The form that the other mode shows: conditions accept it too. */
export function otherEtag(mode: EtagMode, sources: EtagSources): string {
  return sealedEtag(mode === 'md5' ? 'opaque' : 'md5', sources);
}
