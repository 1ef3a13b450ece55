/** Random listings, and requests about what is not there or cannot be. */
import type { TwinRequest } from '../request.ts';
import type { Model } from './model.ts';

const PREFIXES = ['', 'a', 'a/', 'a/c/', 'k', 'nothing', 'x//', 'a b'];
const DELIMITERS = ['/', '/', '/', 'c', '//', 'b+'];
const MARKERS = ['', 'a', 'a/b', 'a/c/', 'k', 'zzz'];
const MAX_KEYS = ['0', '1', '2', '3', '7', '1000', '1001'];

function common(model: Model): (readonly [string, string])[] {
  const { dice } = model;
  return [
    ...dice.maybe(45, () => ['prefix', dice.pick(PREFIXES)] as const),
    ...dice.maybe(40, () => ['delimiter', dice.pick(DELIMITERS)] as const),
    ...dice.maybe(35, () => ['max-keys', dice.pick(MAX_KEYS)] as const),
    ...dice.maybe(30, () => ['encoding-type', 'url'] as const),
  ];
}

export function listV1(model: Model): TwinRequest {
  const { dice } = model;
  const marker = dice.maybe(25, () => ['marker', dice.pick(MARKERS)] as const);
  return { method: 'GET', query: [...common(model), ...marker] };
}

export function listV2(model: Model): TwinRequest {
  const { dice } = model;
  const after = dice.maybe(25, () => ['start-after', dice.pick(MARKERS)] as const);
  const owner = dice.maybe(10, () => ['fetch-owner', 'true'] as const);
  return { method: 'GET', query: [['list-type', '2'], ...common(model), ...after, ...owner] };
}

export function listVersions(model: Model): TwinRequest {
  return { method: 'GET', query: [['versions'], ...common(model)] };
}

/** A page and the page after it. */
export function pages(model: Model): readonly TwinRequest[] {
  const name = model.name('token');
  const query = [
    ['list-type', '2'],
    ['max-keys', model.dice.pick(['1', '2', '3'])],
    ...model.dice.maybe(40, () => ['delimiter', '/'] as const),
  ] as const;
  return [
    { method: 'GET', query, save: { [name]: 'xml:NextContinuationToken' } },
    { method: 'GET', query: [...query, ['continuation-token', `{{${name}}}`]] },
  ];
}

export function astray(model: Model): TwinRequest {
  const { dice } = model;
  const key = model.key();
  // Only a server of its own verifies signatures.
  if (model.store === 'minio' && dice.percent(15)) {
    return dice.pick<TwinRequest>([
      { method: 'GET', key, sign: { wrong: 'signature' }, compare: 'code' },
      { method: 'GET', key, sign: { by: 'query', wrong: 'signature' }, compare: 'code' },
      { method: 'GET', key, sign: { shift: -3600 }, compare: 'code' },
    ]);
  }
  return dice.pick<TwinRequest>([
    { method: 'GET', bucket: 'missing', query: 'list-type=2' },
    { method: 'GET', bucket: 'missing', key },
    { method: 'HEAD', bucket: 'missing' },
    { method: 'PUT', bucket: 'missing', key, body: 'x' },
    { method: 'DELETE', bucket: 'missing', key },
    { method: 'POST', bucket: 'missing', key, query: 'uploads' },
    { method: 'GET', key: 'never stored' },
    { method: 'HEAD', key: 'never stored' },
    { method: 'GET', key: 'never stored', query: 'tagging' },
    { method: 'HEAD' },
    { method: 'GET', query: 'location' },
    { method: 'GET', query: 'versioning' },
    { method: 'GET', query: 'policy' },
    { method: 'GET', query: 'list-type=2&max-keys=x' },
    { method: 'GET', query: 'list-type=2&encoding-type=base64' },
  ]);
}
