/**
 * Requests in flight at once whose replies, taken as a set, and whose outcome do not depend on the order: two writers of one
 * body, locks that one of two gets, updates of one known state, and anything about different keys.
 */
import { content } from '../corpus/content.ts';
import { md5Hex, type TwinRequest } from '../request.ts';
import { randomBody } from './bodies.ts';
import type { Model } from './model.ts';

type Race = (model: Model) => readonly TwinRequest[];

const sameBody: Race = (model) => {
  const key = model.key();
  const body = randomBody(model.dice);
  model.stored(key, { size: body.length, etag: md5Hex(body), parts: 0 });
  return [
    { method: 'PUT', key, body },
    { method: 'PUT', key, body },
  ];
};

const lock: Race = (model) => {
  const free = model.keys.filter((name) => !model.objects.has(name));
  const key = model.dice.pick(free.length === 0 ? model.keys : free);
  const body = randomBody(model.dice);
  if (!model.objects.has(key)) model.stored(key, { size: body.length, etag: md5Hex(body), parts: 0 });
  const put: TwinRequest = { method: 'PUT', key, body, headers: [['if-none-match', '*']] };
  return [put, put];
};

const update: Race = (model) => {
  const key = model.key('there');
  const known = model.objects.get(key);
  if (known === undefined) return lock(model);
  const body = content(known.size === 77 ? 78 : 77, 'next');
  model.stored(key, { size: body.length, etag: md5Hex(body), parts: 0 });
  const put: TwinRequest = { method: 'PUT', key, body, headers: [['if-match', `"${known.etag}"`]] };
  return [put, put];
};

const apart: Race = (model) => {
  const first = model.key();
  const second = model.dice.pick(model.keys.filter((key) => key !== first));
  const body = content(10, 'b');
  for (const key of [first, second]) model.stored(key, { size: 10, etag: md5Hex(body), parts: 0 });
  return [
    { method: 'PUT', key: first, body },
    { method: 'PUT', key: second, body },
  ];
};

const twoReaders: Race = (model) => {
  const key = model.key('there');
  return [
    { method: 'GET', key },
    { method: 'GET', key },
  ];
};

const twoDeletes: Race = (model) => {
  const key = model.key('there');
  model.removed(key);
  return [
    { method: 'DELETE', key },
    { method: 'DELETE', key },
  ];
};

/** Without versions only: with them, what is latest and how many there are depends on the order. */
export function race(model: Model): readonly TwinRequest[] | undefined {
  if (model.versioning !== undefined) return undefined;
  return model.dice.pick([sameBody, lock, update, apart, twoReaders, twoDeletes])(model);
}
