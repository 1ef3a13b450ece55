/**
 * Does the store refuse what arrived damaged or cut, and can it change an object's metadata in place? The proxy cuts an
 * upload whose verification fails, and relies on nothing being stored then.
 */
import { crc32c } from '@node-rs/crc32';
import { md5Base64, type ProbeSession } from './session.ts';

/** A body that ends short of its Content-Length is not stored, and does not replace what was there. */
export async function discardsCutBodies(session: ProbeSession): Promise<boolean> {
  const name = 'cut';
  await session.put(name, 'old');
  const cut = new Error('cut on purpose');
  const chunks = async function* () {
    yield Buffer.from('new, but only the first');
    throw cut;
  };
  try {
    const { status } = await session.send({ method: 'PUT', name, body: { length: 64, chunks: chunks() } });
    if (status < 300) return false;
  } catch (error) {
    if (error !== cut) throw error;
  }
  return (await session.content(name)) === 'old';
}

/** Content-MD5 is compared with the body. */
export async function verifiesContentMd5(session: ProbeSession): Promise<boolean> {
  const name = 'content-md5';
  const headers = { 'content-md5': md5Base64('another body') };
  const { status } = await session.send({ method: 'PUT', name, headers, body: Buffer.from('a body') });
  return status >= 400 && (await session.content(name)) === undefined;
}

/** x-amz-checksum-crc32c is compared with the body, and one that is right is taken. */
export async function verifiesCrc32c(session: ProbeSession): Promise<boolean> {
  const name = 'crc32c';
  const body = Buffer.from('a body');
  const put = (digested: Buffer) => {
    const headers = { 'x-amz-checksum-crc32c': crc32cBase64(digested) };
    return session.send({ method: 'PUT', name, headers, body });
  };
  const wrong = await put(Buffer.from('another body'));
  if (wrong.status < 400 || (await session.content(name)) !== undefined) return false;
  const right = await put(body);
  return right.status === 200 && (await session.content(name)) === body.toString();
}

function crc32cBase64(body: Buffer): string {
  const value = Buffer.alloc(4);
  value.writeUInt32BE(crc32c(body));
  return value.toString('base64');
}

/** A copy of an object onto itself with x-amz-metadata-directive: REPLACE. */
export async function replacesMetadataInPlace(session: ProbeSession): Promise<boolean> {
  const name = 'replace';
  await session.put(name, 'content');
  const { status } = await session.send({
    method: 'PUT',
    name,
    headers: {
      'x-amz-copy-source': session.copySource(name),
      'x-amz-metadata-directive': 'REPLACE',
      'x-amz-meta-probe': 'replaced',
    },
  });
  if (status !== 200) return false;
  const { headers, body } = await session.send({ method: 'GET', name });
  return headers['x-amz-meta-probe'] === 'replaced' && body.toString() === 'content';
}

/** Object versions are known: the bucket's versioning state can be asked for. */
export async function knowsVersions(session: ProbeSession): Promise<boolean> {
  const { status, body } = await session.send({ method: 'GET', query: [['versioning', '']] });
  return status === 200 && body.includes('Versioning');
}
