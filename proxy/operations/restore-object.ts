/**
 * RestoreObject, passed on: archived ciphertext comes back as ciphertext. A restore that runs a query over the object, or writes
 * its result elsewhere, would work on ciphertext and is refused. S3 API reference, RestoreObject.
 */
import { S3Error } from '../errors.ts';
import { passThrough } from './pass-through.ts';

const ON_CONTENTS = ['Type', 'SelectParameters', 'OutputLocation'] as const;

export const restoreObject = passThrough({
  name: 'RestoreObject',
  method: 'POST',
  level: 'object',
  subresource: 'restore',
  parameters: ['versionId'],
  document: { root: 'RestoreRequest' },
  check(_call, root) {
    const refused = ON_CONTENTS.find((name) => root.child(name) !== undefined);
    if (refused === undefined) return;
    throw new S3Error('NotImplemented', `A restore with ${refused} works on contents, which the backend cannot read.`);
  },
});
