/** A PUT that would be accepted, sent with one thing changed after it was signed, and a look at the store behind. */
import { expect } from 'vitest';
import type { Bench } from './bench.ts';
import type { TestTenant } from './proxy.ts';
import { type Header, type RawReply, type RawRequest, sendRaw, signHeaders, withLength } from './raw-client.ts';
import { storedKeys } from './stored.ts';

export const NOW = new Date('2026-03-01T12:00:00Z');
export const BODY = Buffer.from('the body that was signed');

export interface RefusedRequests {
  /** A PUT of BODY at NOW, with what the test changes. */
  put(o?: Partial<RawRequest>): RawRequest;
  /** Signs, lets `change` have the headers, and sends. */
  sendChanged(
    request: RawRequest,
    o?: { change?: (headers: Header[]) => Header[]; body?: Buffer; target?: string; as?: TestTenant },
  ): Promise<RawReply>;
  /** The reply is that refusal, and the bucket is empty. */
  expectRefused(reply: RawReply, status: number, code: string): Promise<void>;
}

export function refusedRequests(at: { bench: () => Bench; path: () => string }): RefusedRequests {
  return {
    put: (o = {}) => ({ method: 'PUT', path: at.path(), body: BODY, date: NOW, ...o }),
    sendChanged(request, o = {}) {
      const { endpoint } = at.bench().proxy;
      const headers = signHeaders(request, o.as ?? at.bench().tenant, new URL(endpoint).host);
      const body = o.body ?? request.body;
      return sendRaw(endpoint, {
        method: request.method,
        target: o.target ?? request.path,
        headers: withLength({ ...request, ...(body === undefined ? {} : { body }) }, o.change?.(headers) ?? headers),
        ...(body === undefined ? {} : { body }),
      });
    },
    async expectRefused(reply, status, code) {
      expect([reply.status, reply.code], reply.body.toString()).toEqual([status, code]);
      expect(await storedKeys(at.bench().backend.inner, at.bench().bucket)).toEqual([]);
    },
  };
}

export const replaced = (name: string, value: (old: string) => string) => (headers: Header[]) =>
  headers.map(([found, old]): Header => [found, found === name ? value(old) : old]);
export const without = (name: string) => (headers: Header[]) => headers.filter(([found]) => found !== name);
