/** Protects: a key pair in files, as the settings give it, is read from these files. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCredentials } from '../../../../proxy/backend/s3/credentials/open-credentials.ts';
import { parseConfig } from '../../../../proxy/config/config.ts';
import { SealKeys } from '../../../../proxy/keyring/access-keys/seal-keys.ts';

test('the files that settings name', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-credentials-'));
  const file = async (name: string) => {
    await writeFile(join(directory, name), `of-${name}\n`);
    return join(directory, name);
  };
  try {
    const { backend } = parseConfig({
      SEALGATE_BACKEND: 'https://store.example',
      SEALGATE_BACKEND_ACCESS_KEY_ID_FILE: await file('id'),
      SEALGATE_BACKEND_SECRET_ACCESS_KEY_FILE: await file('secret'),
      SEALGATE_STATE: 'state',
      SEALGATE_SEAL_KEYS: SealKeys.generate(),
    });
    if (backend.kind !== 's3') throw new Error('The backend is another one.');
    const source = openCredentials(backend.credentials, { region: 'us-east-1' });
    expect(await source.current()).toEqual({ accessKeyId: 'of-id', secretAccessKey: 'of-secret' });
  } finally {
    await rm(directory, { recursive: true });
  }
});
