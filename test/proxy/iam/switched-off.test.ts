/**
 * Protects: where tenants may not change keys, or changes could be lost, the actions that change them do nothing and say so,
 * and those that look still answer. A form that never ends is not waited for.
 */
import { afterEach, describe, expect, test, vi } from 'vitest';
import type { S3Request } from '../../../proxy/http/request.ts';
import { QUERY_ACTIONS } from '../../../proxy/iam/actions/table.ts';
import { readQueryBody } from '../../../proxy/iam/query-request.ts';
import { HEAD_TIMEOUT_MS } from '../../../proxy/limits.ts';
import { type Bench, openBench } from '../../helpers/bench.ts';
import { sendQuery } from '../../helpers/query-api.ts';

let bench: Bench;

const PARAMETERS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  UpdateAccessKey: { Status: 'Inactive' },
  AssumeRole: { RoleArn: 'arn:aws:iam::000000000000:role/nobody', RoleSessionName: 'job' },
  GetFederationToken: {
    Name: 'user',
    Policy: '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}',
  },
};

async function outcomes(): Promise<Readonly<Record<string, string>>> {
  const { endpoint } = bench.proxy;
  const found: Record<string, string> = {};
  for (const { name, service, parameters, unsigned } of QUERY_ACTIONS) {
    if (unsigned === true) continue;
    const id = parameters.includes('AccessKeyId') ? { AccessKeyId: bench.tenant.accessKeyId } : {};
    const reply = await sendQuery(endpoint, bench.tenant, {
      service,
      parameters: { Action: name, ...id, ...PARAMETERS[name] },
    });
    found[name] = reply.error;
  }
  return found;
}

const EXPECTED = {
  CreateAccessKey: 'AccessDenied',
  ListAccessKeys: '',
  UpdateAccessKey: 'AccessDenied',
  DeleteAccessKey: 'AccessDenied',
  GetAccessKeyLastUsed: '',
  GetUser: '',
  GetCallerIdentity: '',
  GetSessionToken: '',
  GetFederationToken: '',
  // Decided, and then there is no such role.
  AssumeRole: 'AccessDenied',
};

describe('keys stay as they are', () => {
  afterEach(() => bench.close());

  test('with SEALGATE_SELF_SERVICE=off', async () => {
    bench = await openBench({ config: { selfService: false } });
    expect(await outcomes()).toEqual(EXPECTED);
  });

  test('on a backend without conditional writes', async () => {
    bench = await openBench();
    const capabilities = { ...bench.capabilities, conditionalPutIfMatch: false };
    await bench.close();
    bench = await openBench({ capabilities });
    expect(await outcomes()).toEqual(EXPECTED);
  });

  test('and no sessions are issued where nothing can be made by one alone', async () => {
    bench = await openBench();
    const capabilities = { ...bench.capabilities, conditionalPut: false, conditionalPutIfMatch: false };
    await bench.close();
    bench = await openBench({ capabilities });
    const found = await outcomes();
    expect([found['GetSessionToken'], found['GetFederationToken']]).toEqual(['AccessDenied', 'AccessDenied']);
    expect(found['GetCallerIdentity']).toBe('');
  });
});

test('a form has as long to arrive as a request head', async () => {
  vi.useFakeTimers();
  try {
    const headers: Readonly<Record<string, string>> = { 'content-type': 'application/x-www-form-urlencoded' };
    const request = { method: 'POST', rawQuery: '', header: (name: string) => headers[name] };
    const never: AsyncIterable<Buffer> = {
      [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }),
    };
    const body = readQueryBody(request as unknown as S3Request, never);
    const refused = expect(body).rejects.toMatchObject({ code: 'RequestTimeout' });
    await vi.advanceTimersByTimeAsync(HEAD_TIMEOUT_MS);
    await refused;
  } finally {
    vi.useRealTimers();
  }
});
