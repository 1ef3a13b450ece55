/** The settings of the audit log. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { AUDIT_RETENTION_DAYS } from '../audit-limits.ts';
import { oneOf, readSecretFile } from './read-setting.ts';
import { ConfigError, type Settings } from './settings.ts';

export interface AuditConfig {
  /** `strict`: replies wait until their events are written. */
  readonly mode: 'on' | 'strict' | 'off';
  /** A bucket of its own; undefined: beside the state. */
  readonly store: { readonly bucket: string; readonly prefix: string } | undefined;
  /** After so many whole days segments are removed. */
  readonly retentionDays: number;
  /** Takes every checkpoint. */
  readonly webhook: { readonly url: URL; readonly secret: KeyObject } | undefined;
}

const MAX_RETENTION_DAYS = 36_500;
const SECRET_BYTES = { least: 24, most: 64 };

/** @throws ConfigError */
export function audit(settings: Settings): AuditConfig {
  return {
    mode: oneOf(settings, 'SEALGATE_AUDIT', ['on', 'strict', 'off']),
    store: store(settings),
    retentionDays: retention(settings),
    webhook: webhook(settings),
  };
}

function store(settings: Settings): AuditConfig['store'] {
  const text = settings['SEALGATE_AUDIT_BUCKET'];
  if (text === undefined) return undefined;
  const [bucket = '', ...rest] = text.split('/');
  if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)) {
    throw new ConfigError('SEALGATE_AUDIT_BUCKET', 'must be BUCKET or BUCKET/PREFIX with a valid bucket name');
  }
  const prefix = rest.join('/').replace(/\/+$/, '');
  return { bucket, prefix: prefix === '' ? '' : `${prefix}/` };
}

function retention(settings: Settings): number {
  const text = settings['SEALGATE_AUDIT_RETENTION'];
  if (text === undefined) return AUDIT_RETENTION_DAYS;
  const days = Number(/^(\d{1,5})d$/.exec(text)?.[1] ?? 0);
  if (days >= 1 && days <= MAX_RETENTION_DAYS) return days;
  throw new ConfigError('SEALGATE_AUDIT_RETENTION', 'must be a number of days, such as 90d');
}

function webhook(settings: Settings): AuditConfig['webhook'] {
  const text = settings['SEALGATE_AUDIT_WEBHOOK'];
  const secret = webhookSecret(settings);
  if (text === undefined) {
    if (secret === undefined) return undefined;
    throw new ConfigError('SEALGATE_AUDIT_WEBHOOK', 'must be set where its secret is');
  }
  const url = URL.parse(text);
  const isPlain = url?.protocol === 'http:' && /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
  if (url === null || (url.protocol !== 'https:' && !isPlain)) {
    throw new ConfigError('SEALGATE_AUDIT_WEBHOOK', 'must be an https URL; http only to this machine itself');
  }
  if (secret === undefined) {
    throw new ConfigError(
      'SEALGATE_AUDIT_WEBHOOK_SECRET',
      'or SEALGATE_AUDIT_WEBHOOK_SECRET_FILE must be set for the webhook',
    );
  }
  return { url, secret };
}

function webhookSecret(settings: Settings): KeyObject | undefined {
  const inline = settings['SEALGATE_AUDIT_WEBHOOK_SECRET'];
  const path = settings['SEALGATE_AUDIT_WEBHOOK_SECRET_FILE'];
  const name = path === undefined ? 'SEALGATE_AUDIT_WEBHOOK_SECRET' : 'SEALGATE_AUDIT_WEBHOOK_SECRET_FILE';
  if (inline !== undefined && path !== undefined) {
    throw new ConfigError(
      'SEALGATE_AUDIT_WEBHOOK_SECRET',
      'and SEALGATE_AUDIT_WEBHOOK_SECRET_FILE are both set: set one',
    );
  }
  const text = inline ?? (path === undefined ? undefined : readSecretFile(name, path).trim());
  if (text === undefined) return undefined;
  const [, encoded = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length >= SECRET_BYTES.least && bytes.length <= SECRET_BYTES.most) return createSecretKey(bytes);
  throw new ConfigError(
    name,
    'must be whsec_ and base64 of 24 to 64 random bytes, such as from openssl rand -base64 32',
  );
}
