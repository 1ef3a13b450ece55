/** A certificate authority and a certificate for 127.0.0.1, made for one run, so that clients really check what they connect to. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** PEM files. */
  readonly authority: string;
  readonly certificate: string;
  readonly key: string;
}

export function makeCertificate(directory: string): Certificate {
  const file = (name: string) => join(directory, name);
  const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' });
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = { key: file('ca.key'), pem: file('ca.pem') };
  const usage = ['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', 'keyUsage=critical,keyCertSign'];
  openssl(
    ...['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=Sealgate test authority'],
    ...[...usage, '-keyout', authority.key, '-out', authority.pem],
  );
  openssl('req', ...curve, '-subj', '/CN=127.0.0.1', '-keyout', file('tls.key'), '-out', file('tls.csr'));
  writeFileSync(
    file('tls.ext'),
    'subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\n',
  );
  openssl(
    ...['x509', '-req', '-in', file('tls.csr'), '-CA', authority.pem, '-CAkey', authority.key, '-CAcreateserial'],
    ...['-days', '2', '-extfile', file('tls.ext'), '-out', file('tls.pem')],
  );
  return { authority: authority.pem, certificate: file('tls.pem'), key: file('tls.key') };
}
