/**
 * Step 2 of SigV4: what is signed, for requests, chunks and trailers. Source: AWS documentation, "Create a string to sign"
 * and "Transferring Payload in Multiple Chunks". These strings are secrets' neighbours: never log them.
 */
import { Buffer } from 'node:buffer';
import { hash } from 'node:crypto';
import { ALGORITHM, CHUNK_ALGORITHM, EMPTY_SHA256, TERMINATOR, TRAILER_ALGORITHM } from './constants.ts';

/** Where and when a signature is valid. `date` is `YYYYMMDD`. */
export interface CredentialScope {
  readonly date: string;
  readonly region: string;
  readonly service: string;
}

export function scopeText(scope: CredentialScope): string {
  return `${scope.date}/${scope.region}/${scope.service}/${TERMINATOR}`;
}

/** `date` is `YYYYMMDD'T'HHMMSS'Z'`; `canonical` has one character per byte. */
export function requestStringToSign(o: { date: string; scope: CredentialScope; canonical: string }): string {
  const digest = hash('sha256', Buffer.from(o.canonical, 'latin1'), 'hex');
  return [ALGORITHM, o.date, scopeText(o.scope), digest].join('\n');
}

export interface LinkToSign {
  readonly date: string;
  readonly scope: CredentialScope;
  /** Hex signature of the link before: the request's own for the first chunk. */
  readonly previous: string;
  /** Hex SHA-256 of the chunk's data, or of the canonical trailer. */
  readonly sha256: string;
}

export function chunkStringToSign(link: LinkToSign): string {
  return [CHUNK_ALGORITHM, link.date, scopeText(link.scope), link.previous, EMPTY_SHA256, link.sha256].join('\n');
}

export function trailerStringToSign(link: LinkToSign): string {
  return [TRAILER_ALGORITHM, link.date, scopeText(link.scope), link.previous, link.sha256].join('\n');
}
