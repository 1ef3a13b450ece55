/** Protects the matching of CORS rules: what is not allowed by one rule as a whole is not allowed. */
import { describe, expect, it } from 'vitest';
import { corsHeaders, parseCorsRules } from '../../../proxy/cors/rules.ts';

const rules = parseCorsRules(`<?xml version="1.0"?>
<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <CORSRule>
    <AllowedOrigin>https://app.example</AllowedOrigin><AllowedOrigin>https://*.wild.example</AllowedOrigin>
    <AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>
    <AllowedHeader>X-Amz-*</AllowedHeader><AllowedHeader>content-type</AllowedHeader>
    <ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-version-id</ExposeHeader>
    <MaxAgeSeconds>3000</MaxAgeSeconds>
  </CORSRule>
  <CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>
</CORSConfiguration>`);

const ask = (origin: string, method: string, headers: readonly string[] = []) =>
  corsHeaders(rules, { origin, method, headers });

describe('corsHeaders', () => {
  it('says what the first rule that matches allows', () => {
    expect(ask('https://app.example', 'PUT', ['x-amz-date', 'content-type'])).toEqual({
      'Access-Control-Allow-Origin': 'https://app.example',
      'Access-Control-Allow-Methods': 'PUT, GET',
      'Access-Control-Allow-Headers': 'x-amz-date, content-type',
      'Access-Control-Expose-Headers': 'ETag, x-amz-version-id',
      'Access-Control-Max-Age': '3000',
      'Access-Control-Allow-Credentials': 'true',
    });
  });

  it('lets everybody in without credentials where the rule says *', () => {
    expect(ask('https://other.example', 'GET')).toEqual({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET',
    });
  });

  it.each([
    ['another origin', 'https://other.example', 'PUT', []],
    ['another scheme', 'http://app.example', 'PUT', []],
    ['an origin in another case', 'https://APP.example', 'PUT', []],
    ['an origin that only begins so', 'https://app.example.evil', 'PUT', []],
    ['the bare name of a wildcard', 'https://.wild.exampl', 'PUT', []],
    ['an origin shorter than the pattern', 'https://wild.example', 'PUT', []],
    ['another method', 'https://app.example', 'DELETE', []],
    ['a header that is not allowed', 'https://app.example', 'PUT', ['x-amz-date', 'x-other']],
    ['a header allowed by no rule that allows the rest', 'https://other.example', 'GET', ['x-amz-date']],
  ] as const)('refuses %s', (_what, origin, method, headers) => {
    expect(ask(origin, method, headers)).toBeUndefined();
  });

  it('leaves out what cannot stand in a header', () => {
    const hostile = parseCorsRules(
      '<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>' +
        '<AllowedMethod>PUT&#13;&#10;x: y</AllowedMethod><ExposeHeader>a\nb</ExposeHeader><ExposeHeader>ETag</ExposeHeader>' +
        '<MaxAgeSeconds>1&#10;2</MaxAgeSeconds></CORSRule></CORSConfiguration>',
    );
    expect(corsHeaders(hostile, { origin: 'https://a.example', method: 'GET', headers: [] })).toEqual({
      'Access-Control-Allow-Origin': '*',
      'Access-Control-Allow-Methods': 'GET',
      'Access-Control-Expose-Headers': 'ETag',
    });
  });

  it('takes a wildcard for any text, once', () => {
    expect(ask('https://a.b.wild.example', 'PUT')).toMatchObject({
      'Access-Control-Allow-Origin': 'https://a.b.wild.example',
    });
  });
});
