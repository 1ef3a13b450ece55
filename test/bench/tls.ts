/** A certificate for the TLS listeners of one run; none where there is no openssl to make it. */
import { readFileSync } from 'node:fs';
import { makeCertificate } from '../e2e/support/certificate.ts';

export interface Certificate {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
  /** PEM text. */
  readonly authorityPem: string;
}

export function runCertificate(directory: string): Certificate | undefined {
  try {
    const { authority, certificate, key } = makeCertificate(directory);
    return { certificate, key, authorityPem: readFileSync(authority, 'utf8') };
  } catch {
    return undefined;
  }
}
