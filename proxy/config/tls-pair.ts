/** Reads a certificate and its private key, and tries them out together: the messages of OpenSSL name no setting. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { ConfigError, type Variable } from './settings.ts';

export interface TlsPair {
  readonly cert: Buffer;
  readonly key: Buffer;
  /** When the first certificate of the file ends. */
  readonly expires: Date;
  /** The names for which the certificate is valid, as it lists them. */
  readonly names: string;
}

/** The settings that name the files. */
export interface TlsPairSettings {
  readonly cert: Variable;
  readonly key: Variable;
}

const OF_LISTENER: TlsPairSettings = { cert: 'SEALGATE_TLS_CERT', key: 'SEALGATE_TLS_KEY' };

/** `read` gives a file's text, or refuses with the variable's name. @throws ConfigError */
export function readTlsPair(
  paths: { readonly cert: string; readonly key: string },
  read: (name: Variable, path: string) => string,
  names: TlsPairSettings = OF_LISTENER,
): TlsPair {
  const cert = Buffer.from(read(names.cert, paths.cert));
  const key = Buffer.from(read(names.key, paths.key));
  const certificate = certificateOf(cert, { name: names.cert, path: paths.cert });
  if (!certificate.checkPrivateKey(privateKeyOf(key, { name: names.key, path: paths.key }))) {
    throw new ConfigError(names.key, `${paths.key} is not the key of the certificate in ${paths.cert}`);
  }
  const subjects = certificate.subjectAltName ?? certificate.subject.replaceAll('\n', ', ');
  return { cert, key, expires: certificate.validToDate, names: subjects };
}

/** The server's own certificate comes first in the file, and those that signed it behind it. */
function certificateOf(pem: Buffer, { name, path }: { name: Variable; path: string }): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    throw new ConfigError(name, `${path} does not begin with a certificate in PEM form`);
  }
}

function privateKeyOf(pem: Buffer, { name, path }: { name: Variable; path: string }): KeyObject {
  if (LOCKED.test(pem.toString('latin1'))) {
    throw new ConfigError(name, `${path} is locked with a pass phrase: store it without one`);
  }
  try {
    return createPrivateKey(pem);
  } catch {
    throw new ConfigError(name, `${path} is no private key in PEM form`);
  }
}

/** RFC 7468, section 11, and the older form of OpenSSL. */
const LOCKED = /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m;
