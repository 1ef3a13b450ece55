/** Does the store show objects' metadata in listings? MinIO does, asked with a parameter of its own; S3 has no such thing. */
import { BackendUnavailable } from '../backend.ts';
import { LIST_ENCODING, parseDescribed, WITH_METADATA } from '../list.ts';
import type { ProbeSession } from './session.ts';

/** With the very values that were stored. */
export async function listsMetadata(session: ProbeSession): Promise<boolean> {
  const name = 'described';
  const headers = { 'x-amz-meta-enc-algo': 'probe', 'x-amz-meta-enc-attrs': `aZ09-_${'.~'.repeat(500)}` };
  const { status } = await session.send({ method: 'PUT', name, headers, body: Buffer.from('content') });
  if (status !== 200) return false;
  const answer = await session.list(name, [['list-type', '2'], WITH_METADATA, LIST_ENCODING]);
  if (answer.status !== 200) return false;
  try {
    const [row] = parseDescribed(answer.body, ['x-amz-meta-enc-algo', 'x-amz-meta-enc-attrs']);
    return Object.entries(headers).every(([header, value]) => row?.headers[header] === value);
  } catch (error) {
    if (error instanceof BackendUnavailable) return false;
    throw error;
  }
}
