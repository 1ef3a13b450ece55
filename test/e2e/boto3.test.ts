/**
 * Protects: boto3 works unchanged, in every installed version: the SDK below most Python programs, and strict about ETags,
 * checksums and lengths.
 */
import { clientSuite, EVERY_STAGE, type Tool } from './support/client-suite.ts';
import { pathOfProgram, programChecks } from './support/program-checks.ts';
import { versionOf } from './support/run-client.ts';

async function installed(): Promise<readonly Tool[]> {
  const found: Tool[] = [];
  for (const command of ['python3', '/usr/bin/python3']) {
    const version = await versionOf(command, ['-c', 'import boto3; print(boto3.__version__)']);
    if (version !== undefined && found.every((tool) => tool.version !== version)) found.push({ command, version });
  }
  return found;
}

clientSuite({
  client: 'boto3',
  tools: await installed(),
  stages: EVERY_STAGE,
  checks: programChecks({
    sources: ['boto3_checks.py'],
    leastChecks: 15,
    args: [pathOfProgram('boto3_checks.py')],
    scale: ({ store }) => (store.name === 'moto' ? 13 : 64),
  }),
  opaque: {
    // These compare ETags with MD5s, or need what such a check stored.
    except: [
      'put, get, head and delete; sizes around every edge',
      'list, page by page; delimiter; sizes and ETags as HEAD tells them',
      'conditions on writes',
      'upload_fileobj and download_fileobj, in parallel parts',
      'multipart by hand: list_parts, a part again, partNumber, abort',
      'copy_object, copy with replaced metadata, upload_part_copy',
      'get_object_attributes',
      'versions',
    ],
  },
});
