/**
 * Object Lock: what protects a version, and who may take protection off. S3 user guide, "How S3 Object Lock works". Pure rules; the
 * mutations ask them inside the transaction that writes.
 */
import { S3Error } from '../../errors.ts';
import { LOCAL_MAX_RETENTION_DAYS } from '../../store-limits.ts';
import type { XmlNode } from '../../xml/render-xml.ts';

type Headers = Readonly<Record<string, string>>;

const MODES = ['GOVERNANCE', 'COMPLIANCE'] as const;
type LockMode = (typeof MODES)[number];

export interface Retention {
  readonly mode: LockMode;
  /** Milliseconds since 1970. */
  readonly until: number;
}

/** The lock of one version. `hold` is absent where nobody has ever set one. */
export interface Lock {
  readonly retention?: Retention;
  readonly hold?: boolean;
}

/** For new versions of a bucket: exactly one of the two periods. */
export interface DefaultRetention {
  readonly mode: LockMode;
  readonly days?: number;
  readonly years?: number;
}

/** A request that would weaken a lock: when it came, and whether it may go round GOVERNANCE. */
export interface Override {
  readonly now: number;
  readonly bypass: boolean;
}

const MODE = 'x-amz-object-lock-mode';
const UNTIL = 'x-amz-object-lock-retain-until-date';
const HOLD = 'x-amz-object-lock-legal-hold';
/** The headers by which a write locks the version that it makes. */
export const LOCK_HEADERS = [MODE, UNTIL, HOLD] as const;
const DAY_MS = 86_400_000;
const DAYS_A_YEAR = 365;

export function parseLock(json: string): Lock {
  return json === '' ? {} : (JSON.parse(json) as Lock);
}

/** '' for a version that nobody has locked. */
export function renderLock(lock: Lock): string {
  return lock.retention === undefined && lock.hold === undefined ? '' : JSON.stringify(lock);
}

/** Reads the lock that the headers of a write ask for. @throws S3Error InvalidArgument */
export function lockAsked(headers: Headers, now: number): Lock {
  const { [MODE]: mode, [UNTIL]: until, [HOLD]: hold } = headers;
  if ((mode === undefined) !== (until === undefined)) {
    throw invalid(
      mode === undefined ? MODE : UNTIL,
      '',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    );
  }
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') {
    throw invalid(HOLD, hold, "Legal Hold must be either of 'ON' or 'OFF'");
  }
  if (mode !== undefined && !isMode(mode)) throw invalid(MODE, mode, 'Unknown wormMode directive.');
  return {
    ...(mode !== undefined && until !== undefined && { retention: { mode, until: retainUntil(until, now) } }),
    ...(hold !== undefined && { hold: hold === 'ON' }),
  };
}

/** As headers of a GET or HEAD. */
export function lockHeaders({ retention, hold }: Lock): Record<string, string> {
  return {
    ...(retention !== undefined && { [MODE]: retention.mode, [UNTIL]: isoTime(retention.until) }),
    ...(hold !== undefined && { [HOLD]: hold ? 'ON' : 'OFF' }),
  };
}

/**
 * Reads a Retention document; `undefined` where the document is empty and removes the retention.
 * @throws S3Error MalformedXML, InvalidArgument
 */
export function readRetention(root: XmlNode, now: number): Retention | undefined {
  const mode = root.value('Mode')?.trim();
  const until = root.value('RetainUntilDate')?.trim();
  if (mode === undefined && until === undefined) return undefined;
  if (mode === undefined || until === undefined || !isMode(mode)) throw new S3Error('MalformedXML');
  return { mode, until: retainUntil(until, now) };
}

/** Reads the rule of an ObjectLockConfiguration document. @throws S3Error MalformedXML, InvalidArgument */
export function readDefaultRetention(rule: XmlNode): DefaultRetention {
  const retention = rule.child('DefaultRetention');
  const mode = retention?.value('Mode')?.trim();
  const [days, years] = [retention?.value('Days')?.trim(), retention?.value('Years')?.trim()];
  if (mode === undefined || !isMode(mode) || (days === undefined) === (years === undefined)) {
    throw new S3Error('MalformedXML');
  }
  return days === undefined
    ? { mode, years: period('Years', years ?? '', LOCAL_MAX_RETENTION_DAYS / DAYS_A_YEAR) }
    : { mode, days: period('Days', days, LOCAL_MAX_RETENTION_DAYS) };
}

/** The lock of a version that is made now: what was asked, else the bucket's default. */
export function lockOfNew(asked: Lock, byDefault: DefaultRetention | undefined, now: number): Lock {
  if (asked.retention !== undefined || byDefault === undefined) return asked;
  const days = byDefault.days ?? (byDefault.years ?? 0) * DAYS_A_YEAR;
  return { ...asked, retention: { mode: byDefault.mode, until: now + days * DAY_MS } };
}

/** @throws S3Error AccessDenied while the version is protected */
export function checkRemoval({ retention, hold }: Lock, o: Override): void {
  if (hold === true || (retention !== undefined && isInForce(retention, o))) throw locked();
}

/** A retention in force may be extended. All else needs the bypass, which COMPLIANCE does not know. @throws S3Error AccessDenied */
export function checkRetentionChange({ retention: from }: Lock, to: Retention | undefined, o: Override): void {
  if (from === undefined || !isInForce(from, o)) return;
  if (to === undefined || to.mode !== from.mode || to.until < from.until) throw locked();
}

function isInForce({ mode, until }: Retention, o: Override): boolean {
  return until > o.now && (mode === 'COMPLIANCE' || !o.bypass);
}

function locked(): S3Error {
  return new S3Error('AccessDenied', 'Access Denied because object protected by object lock.');
}

function isMode(text: string): text is LockMode {
  return (MODES as readonly string[]).includes(text);
}

/** An ISO 8601 time, in the future. Without a zone it is UTC: where this server stands shortens no lock. */
function retainUntil(text: string, now: number): number {
  const [, time = '', zone = 'Z'] = /^(\d{4}-\d\d-\d\dT[\d:.]+)(Z|[+-]\d\d:?\d\d)?$/i.exec(text) ?? [];
  const until = Date.parse(time + zone);
  if (Number.isNaN(until)) {
    throw invalid(UNTIL, text, 'The retain until date must be provided in ISO 8601 format');
  }
  if (until <= now) throw invalid(UNTIL, text, 'The retain until date must be in the future!');
  if (until > now + (LOCAL_MAX_RETENTION_DAYS + 1) * DAY_MS) {
    throw invalid(UNTIL, text, 'The retain until date is too far in the future.');
  }
  return until;
}

function period(name: 'Days' | 'Years', text: string, max: number): number {
  const value = /^-?\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw new S3Error('MalformedXML');
  if (value <= 0) throw invalid(name, text, 'Default retention period must be a positive integer value.');
  if (value > max)
    throw invalid(name, text, `Default retention period is too large: at most ${max} ${name.toLowerCase()}.`);
  return value;
}

export function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function invalid(name: string, value: string, message: string): S3Error {
  return new S3Error('InvalidArgument', message, { details: { ArgumentName: name, ArgumentValue: value } });
}
