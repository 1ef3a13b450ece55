// Protects: the three steps of SigV4 against AWS's own signing test suite: canonical request, string to sign and signature,
// for signatures in headers and in the query. Left out are the cases that normalise paths, which S3 does not do; the one of
// them whose path needs no normalising is in. Counts are asserted, so that a missing folder cannot pass.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { canonicalRequest } from '../../sigv4/canonical-request.ts';
import { EMPTY_SHA256 } from '../../sigv4/constants.ts';
import { parseBasicDate } from '../../sigv4/date.ts';
import { canonicalHeaderValues, type HeaderPair } from '../../sigv4/headers.ts';
import { parseQuery } from '../../sigv4/query.ts';
import { sign, signingKey } from '../../sigv4/signing-key.ts';
import { requestStringToSign } from '../../sigv4/string-to-sign.ts';
import { sha256Hex, signingSecret } from '../helpers/sign-request.ts';

const FOLDER = join(import.meta.dirname, '../vectors/sigv4');
const CASES = readdirSync(FOLDER).sort();
/** Its token is added to the URL after signing, which S3 does not allow for. */
const NO_QUERY_VARIANT = ['post-sts-header-after'];

interface Context {
  readonly credentials: { readonly secret_access_key: string };
  readonly region: string;
  readonly service: string;
  readonly sign_body: boolean;
  readonly timestamp: string;
}

function readText(name: string, file: string): string {
  // One character per byte, as a request arrives.
  return readFileSync(join(FOLDER, name, file), 'latin1');
}

/** Reads the suite's `METHOD target HTTP/1.1`, headers (folded lines too) and body. */
function parseRequestFile(text: string) {
  const [head = '', body = ''] = text.split('\n\n');
  const [first = '', ...lines] = head.split('\n');
  const method = first.slice(0, first.indexOf(' '));
  const target = first.slice(method.length + 1, first.lastIndexOf(' '));
  const question = target.indexOf('?');
  const headers: HeaderPair[] = [];
  for (const line of lines.filter((one) => one !== '')) {
    const last = headers.at(-1);
    if (/^\s/.test(line) && last !== undefined) headers[headers.length - 1] = [last[0], `${last[1]} ${line.trim()}`];
    else headers.push([line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]);
  }
  return {
    method,
    path: question === -1 ? target : target.slice(0, question),
    query: question === -1 ? '' : target.slice(question + 1),
    headers,
    body,
  };
}

function check(name: string, variant: 'header' | 'query'): void {
  const context = JSON.parse(readText(name, 'context.json')) as Context;
  const request = parseRequestFile(readText(name, `${variant}-signed-request.txt`));
  const headers = canonicalHeaderValues(request.headers);
  const query = parseQuery(request.query);
  const listed =
    variant === 'header'
      ? /SignedHeaders=([^,]+)/.exec(headers.get('authorization') ?? '')?.[1]
      : query.find(([found]) => found === 'X-Amz-SignedHeaders')?.[1];
  const canonical = canonicalRequest({
    method: request.method,
    path: request.path,
    query,
    headers,
    signedHeaders: (listed ?? '').split(';'),
    payloadHash: context.sign_body ? sha256Hex(request.body) : EMPTY_SHA256,
  });
  expect(canonical).toBe(readText(name, `${variant}-canonical-request.txt`));

  const date = context.timestamp.replace(/[-:]/g, '');
  expect(parseBasicDate(date)?.toISOString()).toBe(context.timestamp.replace('Z', '.000Z'));
  const scope = { date: date.slice(0, 8), region: context.region, service: context.service };
  const stringToSign = requestStringToSign({ date, scope, canonical });
  expect(stringToSign).toBe(readText(name, `${variant}-string-to-sign.txt`));

  const key = signingKey({ signingSecret: signingSecret(context.credentials.secret_access_key), scope });
  const signature = sign(key, stringToSign);
  expect(signature).toBe(readText(name, `${variant}-signature.txt`));
  expect(readText(name, `${variant}-signed-request.txt`)).toContain(signature);
}

describe('the AWS signing test suite', () => {
  it('is there, whole', () => {
    expect(CASES).toHaveLength(32);
    expect(CASES).toEqual(expect.arrayContaining(NO_QUERY_VARIANT));
  });

  for (const name of CASES) {
    it(`${name}, signature in a header`, () => check(name, 'header'));
    if (NO_QUERY_VARIANT.includes(name)) continue;
    it(`${name}, signature in the query`, () => check(name, 'query'));
  }
});
