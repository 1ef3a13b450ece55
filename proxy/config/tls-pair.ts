/** The certificate and the private key of the listener, tried out together: OpenSSL's own words name no setting. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ConfigError, type Variable } from './settings.ts';

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** When the first certificate of the file ends. */
  readonly expires: Date;
  /** Names that it is for, as the certificate lists them. */
  readonly names: string;
}

/** `read` gives a file's text, or refuses with the variable's name. @throws ConfigError */
export function readTlsPair(
  paths: { readonly cert: string; readonly key: string },
  read: (name: Variable, path: string) => string,
): TlsPair {
  const cert = Buffer.from(read('SEALGATE_TLS_CERT', paths.cert));
  const key = Buffer.from(read('SEALGATE_TLS_KEY', paths.key));
  const certificate = certificateOf(cert, paths.cert);
  if (!certificate.checkPrivateKey(privateKeyOf(key, paths.key))) {
    throw new ConfigError('SEALGATE_TLS_KEY', `${paths.key} is not the key of the certificate in ${paths.cert}`);
  }
  const names = certificate.subjectAltName ?? certificate.subject.replaceAll('\n', ', ');
  return { cert, key, expires: certificate.validToDate, names };
}

/** The server's own certificate comes first in the file, and those that signed it behind it. */
function certificateOf(pem: Buffer, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new ConfigError('SEALGATE_TLS_CERT', `${path} does not begin with a certificate in PEM form`);
  }
}

function privateKeyOf(pem: Buffer, path: string): KeyObject {
  if (LOCKED.test(pem.toString('latin1'))) {
    throw new ConfigError('SEALGATE_TLS_KEY', `${path} is locked with a pass phrase: store it without one`);
  }
  try {
    return createPrivateKey(pem);
  } catch {
    throw new ConfigError('SEALGATE_TLS_KEY', `${path} is no private key in PEM form`);
  }
}

/** RFC 7468, section 11, and the older form of OpenSSL. */
const LOCKED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;
