/**
 * Protects: aws:SourceIp is the address that the connection or a trusted forwarder names, and an address that is not known satisfies no
 * Allow. A client that writes X-Forwarded-For itself, in a header or in a signed URL, gains nothing.
 */
import { describe, expect, test } from 'vitest';
import { sharedBench } from '../../helpers/bench.ts';
import { type Header, presignQuery, type RawRequest, sendRaw } from '../../helpers/raw-client.ts';
import { sessionOf } from '../../helpers/sessions.ts';

const ADDRESS = '198.51.100.7';
const policyFor = (bucket: string, condition: Record<string, unknown>) =>
  JSON.stringify({
    Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 's3:*', Resource: `arn:aws:s3:::${bucket}`, Condition: condition }],
  });

describe.each([
  ['an untrusted sender', [] as string[]],
  ['a trusted forwarder', ['127.0.0.0/8']],
])('%s', (_, trustedProxies) => {
  const bench = sharedBench({ config: { trustedProxies } });
  const isTrusted = trustedProxies.length > 0;

  async function statusWith(condition: Record<string, unknown>, headers: readonly Header[]): Promise<number> {
    const { endpoint } = bench.proxy;
    const parameters = { Action: 'GetFederationToken', Name: 'ab', Policy: policyFor(bench.bucket, condition) };
    const session = await sessionOf(endpoint, bench.tenant, parameters);
    const token = ['x-amz-security-token', session.sessionToken] as const;
    const as = { ...bench.tenant, ...session };
    return (await bench.send({ method: 'GET', path: `/${bench.bucket}`, headers: [token, ...headers] }, as)).status;
  }

  const from = (...list: string[]): readonly Header[] => [['x-forwarded-for', list.join(', ')]];
  const only = (address: string) => ({ IpAddress: { 'aws:SourceIp': address } });
  const not = (address: string) => ({ NotIpAddress: { 'aws:SourceIp': address } });

  test('counts for what its connection says, or what it forwards', async () => {
    expect(await statusWith(only(`${ADDRESS}/32`), from(ADDRESS))).toBe(isTrusted ? 200 : 403);
    expect(await statusWith(only('127.0.0.1'), from(ADDRESS))).toBe(isTrusted ? 403 : 200);
    expect(await statusWith(only('127.0.0.1'), from('127.0.0.1', ADDRESS))).toBe(isTrusted ? 403 : 200);
  });

  test('that names no address satisfies no Allow, whichever way it is put', async () => {
    for (const headers of [[], from('unknown'), from(ADDRESS, '_hidden')]) {
      expect(await statusWith(only('0.0.0.0/0'), headers)).toBe(isTrusted ? 403 : 200);
      expect(await statusWith(not(ADDRESS), headers)).toBe(isTrusted ? 403 : 200);
    }
  });

  test('does not choose its address in a signed URL', async () => {
    const { endpoint } = bench.proxy;
    const { host } = new URL(endpoint);
    const lines = () => bench.proxy.log.filter(({ msg }) => msg === 'request');
    const before = lines().length;
    const parameter = `x-forwarded-for=${ADDRESS}`;
    const signed: RawRequest = {
      method: 'GET',
      path: `/${bench.bucket}`,
      query: parameter,
      headers: [['x-forwarded-for', ADDRESS]],
    };
    const target = `/${bench.bucket}?${presignQuery(signed, bench.tenant, host)}`;
    expect(target).toContain(`?${parameter}&`);
    await sendRaw(endpoint, { method: 'GET', target, headers: [['host', host]] });
    await expect.poll(() => lines().length).toBe(before + 1);
    expect(lines().at(-1)?.['client']).toBe(isTrusted ? undefined : '127.0.0.1');
  });
});
