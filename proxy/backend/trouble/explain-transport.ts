/** Explains to the operator why no answer came: names, addresses, ports, TLS. */
import type { BackendUnavailable } from '../backend.ts';
import { showable } from './store-refusal.ts';
import type { StoreTrouble, StoreTroubleKind } from './store-trouble.ts';

const BY_CODE: ReadonlyMap<string, StoreTroubleKind> = new Map<string, StoreTroubleKind>([
  ['ENOTFOUND', 'unknown-host'],
  ['EAI_AGAIN', 'unknown-host'],
  ['EAI_FAIL', 'unknown-host'],
  ['EAI_NODATA', 'unknown-host'],
  ['EAI_NONAME', 'unknown-host'],
  ['ECONNREFUSED', 'connection-refused'],
  ['EHOSTUNREACH', 'unreachable'],
  ['EHOSTDOWN', 'unreachable'],
  ['ENETUNREACH', 'unreachable'],
  ['EADDRNOTAVAIL', 'unreachable'],
  ['ETIMEDOUT', 'unreachable'],
  ['CONNECT_TIMEOUT', 'unreachable'],
  ['TLS_ANSWER', 'wrong-scheme'],
  ['NO_CREDENTIALS', 'no-credentials'],
  ['PROXY_FAILED', 'proxy-failed'],
  ['CERT_HAS_EXPIRED', 'tls-expired'],
  ['CERT_NOT_YET_VALID', 'tls-expired'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'tls-hostname'],
  ['HOSTNAME_MISMATCH', 'tls-hostname'],
  ['MALFORMED_RESPONSE', 'not-s3'],
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
]);

/** Codes of OpenSSL's verification, other than those above. */
const UNTRUSTED =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET|VERIFY|DECRYPT|DECODE)_\w+|CERT_(UNTRUSTED|REJECTED|SIGNATURE_FAILURE|CHAIN_TOO_LONG|REVOKED)|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED)$/;
/** Alerts of a server that wants a certificate, or does not take the one it got. */
const CLIENT_CERTIFICATE =
  /^ERR_SSL_(TLSV1[0-9]?_ALERT|TLSV13_ALERT|SSLV3_ALERT|SSL\/TLS_ALERT)_(CERTIFICATE_REQUIRED|BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_UNKNOWN|CERTIFICATE_EXPIRED|UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE)$/;
/** What OpenSSL makes of an answer that is not TLS. */
const NOT_TLS =
  /^ERR_SSL_(WRONG_VERSION_NUMBER|PACKET_LENGTH_TOO_LONG|HTTP_REQUEST|UNKNOWN_PROTOCOL|RECORD_LAYER_FAILURE)$/;

export function explainTransport(failure: BackendUnavailable): StoreTrouble {
  const code = failure.transport ?? '';
  const kind = kindOf(code);
  const text = TEXTS[kind] ?? silent;
  return { kind, ...text({ failure, code, where: whereOf(failure.cause) }), answer: '' };
}

function kindOf(code: string): StoreTroubleKind {
  const known = BY_CODE.get(code);
  if (known !== undefined) return known;
  if (UNTRUSTED.test(code)) return 'tls-untrusted';
  if (CLIENT_CERTIFICATE.test(code)) return 'tls-client-certificate';
  if (NOT_TLS.test(code)) return 'wrong-scheme';
  if (/^(ERR_SSL_|ERR_TLS_|EPROTO)/.test(code)) return 'tls-failed';
  return 'silent';
}

interface Failed {
  readonly failure: BackendUnavailable;
  readonly code: string;
  /** Host name, or address and port, as the operating system named it; '' when it did not. */
  readonly where: string;
}

type Explain = (o: Failed) => Pick<StoreTrouble, 'what' | 'advice'>;

const silent: Explain = ({ failure }) => ({
  what: `The store does not answer: ${failure.reason}.`,
  advice:
    'If it never did, check SEALGATE_BACKEND: a port that speaks TLS closes connections like this when it is addressed with http://, and the reverse.',
});

const TEXTS: { readonly [kind in StoreTroubleKind]?: Explain } = {
  'no-credentials': ({ failure }) => ({
    what: `There are no credentials for the store${reasonOf(failure.cause)}.`,
    advice:
      'Set SEALGATE_BACKEND_ACCESS_KEY_ID and SEALGATE_BACKEND_SECRET_ACCESS_KEY, or the files, or give this machine a role (docs/backends.md says where SEALGATE_BACKEND_CREDENTIALS=aws looks).',
  }),
  'unknown-host': ({ where }) => ({
    what: `The name of the store${of(where)} cannot be resolved.`,
    advice:
      'Check the host name in SEALGATE_BACKEND and the DNS of this machine. With SEALGATE_BACKEND_PATH_STYLE=false the bucket is a part of the name.',
  }),
  'connection-refused': ({ where }) => ({
    what: `Nothing listens where the store should be${of(where)}.`,
    advice: 'Start the store, or check host and port of SEALGATE_BACKEND.',
  }),
  'proxy-failed': ({ failure }) => ({
    what: `The outbound proxy does not let the connection through${reasonOf(failure.cause)}.`,
    advice:
      'Check SEALGATE_BACKEND_PROXY, and that the proxy allows CONNECT to the store; NO_PROXY names hosts that need none.',
  }),
  unreachable: ({ where, code }) => ({
    what: `There is no way to the store${of(where)} (${code}).`,
    advice: 'Check SEALGATE_BACKEND, routes and firewalls. Where only a proxy leads out, set SEALGATE_BACKEND_PROXY.',
  }),
  'wrong-scheme': ({ code }) =>
    code === 'TLS_ANSWER'
      ? {
          what: 'The store speaks TLS where the proxy spoke plain HTTP.',
          advice: 'Write https:// in SEALGATE_BACKEND.',
        }
      : {
          what: 'The store does not speak TLS at that port.',
          advice: 'Write http:// in SEALGATE_BACKEND if plain HTTP is meant, or name the port that speaks TLS.',
        },
  'tls-untrusted': ({ code }) => ({
    what: `The certificate of the store is of no authority that this machine trusts (${code}).`,
    advice: 'Set SEALGATE_BACKEND_CA to a PEM file with the certificate of its authority.',
  }),
  'tls-expired': ({ code }) => ({
    what: `The certificate of the store is not valid at this time (${code}).`,
    advice: 'Renew it at the store, or set the clock of this machine.',
  }),
  'tls-hostname': ({ failure }) => ({
    what: `The certificate of the store is for another name${namesOf(failure.cause)}.`,
    advice:
      'Write in SEALGATE_BACKEND a name that the certificate has. With SEALGATE_BACKEND_PATH_STYLE=false it must cover the buckets, too.',
  }),
  'tls-client-certificate': ({ code }) => ({
    what: `The store does not accept the client certificate of the proxy, or misses one (${code}).`,
    advice: 'Check SEALGATE_BACKEND_CLIENT_CERT and SEALGATE_BACKEND_CLIENT_KEY, and which authority the store trusts.',
  }),
  'tls-failed': ({ code }) => ({
    what: `The TLS handshake with the store fails (${code}).`,
    advice: 'See which versions and ciphers it offers: TLS 1.2 or later is needed.',
  }),
  full: ({ code }) => ({
    what: `The disk of the embedded store is full (${code}).`,
    advice: 'Make room on it. Reads go on.',
  }),
  'not-s3': ({ failure }) => ({
    what: `What answers there does not speak HTTP as it must: ${failure.reason}.`,
    advice: "Check host and port of SEALGATE_BACKEND, and what stands between the proxy and the store's API.",
  }),
};

/** The reason from the code that looked for the credentials. It names places and statuses. */
function reasonOf(cause: unknown): string {
  const text = cause instanceof Error ? showable(cause.message).replace(/\.$/, '') : '';
  return text === '' ? '' : `: ${text}`;
}

function of(where: string): string {
  return where === '' ? '' : ` (${where})`;
}

/** From node's system errors. */
function whereOf(cause: unknown): string {
  const { hostname, address, port, errors } = (cause ?? {}) as {
    hostname?: unknown;
    address?: unknown;
    port?: unknown;
    errors?: unknown;
  };
  // For a name with several addresses, all of which failed.
  if (Array.isArray(errors)) return [...new Set(errors.map(whereOf))].filter((text) => text !== '').join(', ');
  if (typeof hostname === 'string') return hostname;
  if (typeof address !== 'string') return '';
  const host = address.includes(':') ? `[${address}]` : address;
  return typeof port === 'number' ? `${host}:${port}` : host;
}

/** Node's error of a certificate whose names do not match: `host` is the name that was asked for. */
function namesOf(cause: unknown): string {
  const { host, cert } = (cause ?? {}) as { host?: unknown; cert?: { subjectaltname?: unknown } };
  const names = cert?.subjectaltname;
  const has = typeof names === 'string' && names.length < 300 ? `: it has ${names}` : '';
  return `${has}${typeof host === 'string' ? `${has === '' ? ':' : ','} not ${host}` : ''}`;
}
