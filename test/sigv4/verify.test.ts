// Protects: what a verified request yields, and the edges of what is accepted: clock skew and lifetimes to the second, payload
// modes, Host behind a balancer, session tokens, date headers, and the chain of chunk signatures.
import { describe, expect, it } from 'vitest';
import { EMPTY_SHA256 } from '../../sigv4/constants.ts';
import { SigV4Error } from '../../sigv4/errors.ts';
import { parseClaim, type SignedRequest } from '../../sigv4/parse.ts';
import { type VerifyOptions, verifyRequest } from '../../sigv4/verify.ts';
import {
  ChunkSigner,
  DATE,
  headerOf,
  NOW,
  presign,
  sha256Hex,
  signByHeader,
  signingSecret,
  withHeader,
} from '../helpers/sign-request.ts';

function verify(request: SignedRequest, o: Partial<VerifyOptions> = {}) {
  return verifyRequest(request, parseClaim(request), { signingSecret: signingSecret(), now: NOW, ...o });
}

function at(seconds: number): Partial<VerifyOptions> {
  return { now: new Date(NOW.getTime() + seconds * 1000) };
}

describe('accepted', () => {
  it('a clock exactly 15 minutes off, either way', () => {
    for (const seconds of [900, -900]) expect(verify(signByHeader(), at(seconds)).claim.date).toBe(DATE);
  });

  it('a presigned URL to the last second of its lifetime, from 1 second to 7 days', () => {
    for (const expires of [1, 604_800]) {
      const request = presign({ expires: String(expires) });
      expect(verify(request, at(expires)).claim.expires).toBe(expires);
      expect(() => verify(request, at(expires + 1))).toThrow('Request has expired');
    }
  });

  it('a Date header where there is no x-amz-date, in both of its forms', () => {
    for (const date of ['Fri, 24 May 2013 00:00:00 GMT', DATE]) {
      const signed = signByHeader({ headers: [['Date', date]], signedHeaders: ['date', 'host'] });
      const claim = parseClaim(withHeader(signed, 'x-amz-date', undefined));
      expect(claim.date).toBe(DATE);
      expect(claim.timestamp).toEqual(NOW);
    }
  });

  it('x-amz-date before Date, when both are there', () => {
    const request = signByHeader({ headers: [['Date', 'Sat, 25 May 2013 00:00:00 GMT']] });
    expect(verify(request).claim.timestamp).toEqual(NOW);
  });

  it('any region when none is expected, and the expected one', () => {
    const request = signByHeader({ region: 'eu-central-1' });
    expect(verify(request).claim.scope.region).toBe('eu-central-1');
    expect(verify(request, { region: 'eu-central-1' }).claim.scope.service).toBe('s3');
  });

  it('SignedHeaders in another order, and an unsigned x-amz-content-sha256', () => {
    const request = signByHeader({ signedHeaders: ['x-amz-date', 'host'] });
    expect(verify(request).payload).toEqual({ kind: 'sha256', hex: EMPTY_SHA256 });
  });

  it('headers with other spelling and spacing than the signed ones', () => {
    const request = signByHeader({ headers: [['X-Amz-Meta-Note', 'a b']] });
    const spaced = withHeader(request, 'x-AMZ-meta-note', ' \t a  \t b ');
    expect(verify(spaced).claim.kind).toBe('header');
  });

  it('a secret over 64 bytes by its SHA-256, as HMAC treats it', () => {
    const secret = 'k'.repeat(80);
    const long = signingSecret(secret);
    const digest = Buffer.from(sha256Hex(long), 'hex');
    expect(verify(signByHeader({ secret }), { signingSecret: digest }).claim.kind).toBe('header');
    expect(verify(signByHeader({ secret }), { signingSecret: long }).claim.kind).toBe('header');
  });

  it('an access key id of 128 characters', () => {
    const accessKeyId = `SG1${'a-_B'.repeat(31)}.`;
    expect(accessKeyId).toHaveLength(128);
    expect(verify(signByHeader({ accessKeyId })).claim.accessKeyId).toBe(accessKeyId);
    expect(verify(presign({ accessKeyId })).claim.accessKeyId).toBe(accessKeyId);
  });

  it('session tokens, in a signed header and in a URL', () => {
    const token = 'AQoDYXdzEPT//wEX+AMPLE==';
    expect(verify(signByHeader({ headers: [['x-amz-security-token', token]] })).claim.sessionToken).toBe(token);
    const inUrl = presign({ query: `X-Amz-Security-Token=${encodeURIComponent(token)}` });
    expect(verify(inUrl).claim.sessionToken).toBe(token);
    expect(verify(signByHeader()).claim.sessionToken).toBeUndefined();
  });
});

describe('Host', () => {
  const rewritten = withHeader(signByHeader(), 'Host', 'backend.internal:8080');

  it('as signed is found among the configured names', () => {
    const host = ['other.example', 'examplebucket.s3.amazonaws.com'];
    expect(verify(rewritten, { host }).claim.kind).toBe('header');
    expect(verify(signByHeader(), { host: ['other.example'] }).claim.kind).toBe('header');
  });

  it('is not found among others', () => {
    expect(() => verify(rewritten)).toThrow(SigV4Error);
    expect(() => verify(rewritten, { host: ['other.example'] })).toThrow(/does not match/);
  });
});

describe('payload', () => {
  const hex = sha256Hex('hello');
  const modes = {
    [hex]: { kind: 'sha256', hex },
    'UNSIGNED-PAYLOAD': { kind: 'unsigned' },
    'STREAMING-UNSIGNED-PAYLOAD-TRAILER': { kind: 'unsigned-trailer' },
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD': { kind: 'signed-chunks', trailer: false },
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER': { kind: 'signed-chunks', trailer: true },
  };

  for (const [value, expected] of Object.entries(modes)) {
    it(`${value} in a header`, () => {
      const verified = verify(signByHeader({ payload: value }));
      expect(verified.payload).toEqual(expected);
      expect(verified.chunks !== undefined).toBe(expected.kind === 'signed-chunks');
    });
  }

  it('of a presigned URL is unsigned unless a signed value says otherwise', () => {
    expect(verify(presign()).payload).toEqual({ kind: 'unsigned' });
    expect(verify(presign({ query: 'X-Amz-Content-Sha256=UNSIGNED-PAYLOAD' })).payload).toEqual({ kind: 'unsigned' });
    const inUrl = presign({ query: `X-Amz-Content-Sha256=${hex}`, payload: hex });
    expect(verify(inUrl).payload).toEqual({ kind: 'sha256', hex });
    const inHeader = presign({ headers: [['x-amz-content-sha256', hex]], payload: hex });
    expect(verify(inHeader).payload).toEqual({ kind: 'sha256', hex });
  });

  it('hash sent beside a presigned URL, unsigned, is still checked', () => {
    const verified = verify(withHeader(presign(), 'x-amz-content-sha256', hex));
    expect(verified.claim.payload).toEqual({ kind: 'unsigned' });
    expect(verified.payload).toEqual({ kind: 'sha256', hex });
  });
});

describe('the chain of chunks', () => {
  const request = signByHeader({ payload: 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER' });
  const seed = /Signature=([0-9a-f]{64})/.exec(headerOf(request, 'authorization'))?.[1] ?? '';
  const first = sha256Hex('first');
  const second = sha256Hex('second');

  function start() {
    const { chunks } = verify(request);
    if (chunks === undefined) throw new Error('no chain');
    const signer = new ChunkSigner({ seed });
    return { chunks, signatures: [signer.chunk(Buffer.from('first')), signer.chunk(Buffer.from('second'))] as const };
  }

  it('holds in order', () => {
    const { chunks, signatures } = start();
    chunks.verifyChunk(first, signatures[0]);
    chunks.verifyChunk(second, signatures[1]);
  });

  it('breaks when chunks are swapped, repeated or dropped', () => {
    const swapped = start();
    expect(() => swapped.chunks.verifyChunk(second, swapped.signatures[1])).toThrow(SigV4Error);
    const repeated = start();
    repeated.chunks.verifyChunk(first, repeated.signatures[0]);
    expect(() => repeated.chunks.verifyChunk(first, repeated.signatures[0])).toThrow(SigV4Error);
  });

  it('breaks on other data, and on a signature of another length', () => {
    const { chunks, signatures } = start();
    expect(() => chunks.verifyChunk(second, signatures[0])).toThrow(SigV4Error);
    expect(() => chunks.verifyChunk(first, signatures[0].slice(1))).toThrow(SigV4Error);
    expect(() => chunks.verifyChunk(first, '')).toThrow(SigV4Error);
    chunks.verifyChunk(first, signatures[0]);
  });

  it('does not take a chunk signature for a trailer', () => {
    const { chunks } = start();
    const asChunk = new ChunkSigner({ seed }).chunk(Buffer.from('x:y\n'));
    const asTrailer = new ChunkSigner({ seed }).trailer('x:y\n');
    expect(() => chunks.verifyTrailer('x:y\n', asChunk)).toThrow(SigV4Error);
    expect(() => chunks.verifyTrailer('x:z\n', asTrailer)).toThrow(SigV4Error);
    chunks.verifyTrailer(Buffer.from('x:y\n'), asTrailer);
  });
});
