/** A certificate authority for one run, made with openssl: certificates for names, addresses, clients, and of times gone by. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** PEM texts. */
export interface Pair {
  readonly key: string;
  readonly cert: string;
}

export interface Authority {
  /** PEM text of its own certificate. */
  readonly ca: string;
  /** `names`: as subjectAltName has them, such as `IP:127.0.0.1`. `isExpired`: it was valid in 2020 alone. */
  issue(o: { names: string; isExpired?: boolean }): Pair;
  close(): void;
}

const KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const CONFIGURATION = `[ca]
default_ca = d
[d]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha256
policy = p
unique_subject = no
copy_extensions = copy
default_days = 2
[p]
commonName = supplied
`;

/** `undefined` where openssl is not installed. */
export function certificateAuthority(): Authority | undefined {
  const cwd = mkdtempSync(join(tmpdir(), 'sealgate-ca-'));
  const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd, stdio: 'ignore' });
  const read = (name: string) => readFileSync(join(cwd, name), 'utf8');
  writeFileSync(join(cwd, 'ca.cnf'), CONFIGURATION);
  writeFileSync(join(cwd, 'index.txt'), '');
  writeFileSync(join(cwd, 'serial'), '01');
  try {
    openssl('req', '-x509', ...KEY, '-days', '2', '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority');
  } catch {
    rmSync(cwd, { recursive: true });
    return undefined;
  }
  return {
    ca: read('ca.pem'),
    issue({ names, isExpired }) {
      const request = ['-new', ...KEY, '-keyout', 'leaf.key', '-out', 'leaf.csr'];
      openssl('req', ...request, '-subj', '/CN=sealgate test', '-addext', `subjectAltName=${names}`);
      const dates = isExpired === true ? ['-startdate', '200101000000Z', '-enddate', '200201000000Z'] : [];
      const files = ['-cert', 'ca.pem', '-keyfile', 'ca.key', '-in', 'leaf.csr', '-out', 'leaf.pem'];
      openssl('ca', '-batch', '-notext', '-config', 'ca.cnf', ...files, ...dates);
      return { key: read('leaf.key'), cert: read('leaf.pem') };
    },
    close: () => rmSync(cwd, { recursive: true, force: true }),
  };
}
