/** A certificate for the TLS listeners of one run; none where there is no openssl to make it. */
import { readFileSync } from 'node:fs';
import { makeCertificate } from '../e2e/support/certificate.ts';
import type { Address } from './client/connection.ts';

export interface Certificate {
  /** PEM files. */
  readonly certificate: string;
  readonly key: string;
  /** PEM text. */
  readonly authorityPem: string;
  /** The same as a file. */
  readonly authority: string;
}

export function runCertificate(directory: string): Certificate | undefined {
  try {
    const { authority, certificate, key } = makeCertificate(directory);
    return { certificate, key, authorityPem: readFileSync(authority, 'utf8'), authority };
  } catch {
    return undefined;
  }
}

/** A listener of this run; over TLS when there is a certificate. */
export function loopback(port: number, certificate: Certificate | undefined): Address {
  const address = { host: '127.0.0.1', port, tls: certificate !== undefined };
  return certificate === undefined ? address : { ...address, ca: certificate.authorityPem };
}
