/** Protects: settings of issuers, and patterns of subjects, that would trust more than their author meant are refused in words. */
import { expect, test } from 'vitest';
import { InvalidIssuers, parseIssuers, sharedAudiences } from '../../../../proxy/access/oidc/issuers.ts';
import { checkSubjectPattern, InvalidSubject, subjectMatches } from '../../../../proxy/access/oidc/subject.ts';

const GOOD = { issuer: 'https://issuer.example.test', jwks: 'https://issuer.example.test/keys', audiences: ['here'] };

test('a list of issuers, as JSON or as it stands in YAML', () => {
  for (const given of [[GOOD], JSON.stringify([GOOD])]) {
    expect(parseIssuers(given)).toMatchObject([{ issuer: GOOD.issuer, algorithms: ['RS256', 'ES256'] }]);
  }
  expect(parseIssuers('[]')).toEqual([]);
  expect(parseIssuers([{ ...GOOD, jwks: 'file:/etc/keys.json' }])[0]?.jwks).toEqual({
    kind: 'file',
    path: '/etc/keys.json',
  });
  expect(parseIssuers([{ ...GOOD, jwks: 'file:///etc/keys.json' }])[0]?.jwks).toEqual({
    kind: 'file',
    path: '/etc/keys.json',
  });
});

test.each<[string, unknown, RegExp]>([
  ['no JSON', '[', /JSON/],
  ['no list', GOOD, /array/i],
  ['an unknown member', [{ ...GOOD, audience: 'x' }], /audience/],
  ['no audience', [{ ...GOOD, audiences: [] }], /audiences/],
  ['an issuer without TLS', [{ ...GOOD, issuer: 'http://issuer.example.test' }], /https/],
  ['keys without TLS', [{ ...GOOD, jwks: 'http://issuer.example.test/keys' }], /https/],
  ['a shared secret', [{ ...GOOD, algorithms: ['HS256'] }], /algorithms/],
  ['no signature', [{ ...GOOD, algorithms: ['none'] }], /algorithms/],
  ['an issuer twice', [GOOD, GOOD], /twice/],
])('refused: %s', (_, given, message) => {
  expect(() => parseIssuers(given)).toThrow(InvalidIssuers);
  expect(() => parseIssuers(given)).toThrow(message);
});

test('audiences that others accept as well are named', () => {
  const issuers = parseIssuers([
    { ...GOOD, audiences: ['here', 'sts.amazonaws.com', 'https://kubernetes.default.svc'] },
  ]);
  expect(sharedAudiences(issuers)).toEqual(['sts.amazonaws.com', 'https://kubernetes.default.svc']);
});

test.each(['', '*', 'repo*', 'repo:org/app*', 'repo:*:main', '*:main', 'a:**', 'x'.repeat(513)])(
  'no pattern: %.20s',
  (pattern) => {
    expect(() => checkSubjectPattern(pattern)).toThrow(InvalidSubject);
  },
);

test.each<[string, string, boolean]>([
  ['repo:org/app:ref:refs/heads/main', 'repo:org/app:ref:refs/heads/main', true],
  ['repo:org/app:ref:refs/heads/main', 'repo:org/app:ref:refs/heads/main2', false],
  ['repo:org/app:*', 'repo:org/app:pull_request', true],
  ['repo:org/app:*', 'repo:org/app-evil:pull_request', false],
  ['repo:org/*', 'repo:org/any:x', true],
  ['repo:org/app:*', 'REPO:org/app:x', false],
  ['a?c', 'abc', false],
])('%s takes %s: %s', (pattern, subject, takes) => {
  expect(() => checkSubjectPattern(pattern)).not.toThrow();
  expect(subjectMatches(pattern, subject)).toBe(takes);
});
