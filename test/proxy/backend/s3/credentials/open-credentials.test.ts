// Protects: what the settings say about the store's credentials is what requests are signed with, files among it.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openCredentials } from '../../../../../proxy/backend/s3/credentials/open-credentials.ts';
import { parseConfig } from '../../../../../proxy/config/config.ts';
import { SealKeys } from '../../../../../proxy/keyring/access-keys/seal-keys.ts';

const NAMES = ['ACCESS_KEY_ID', 'SECRET_ACCESS_KEY', 'SESSION_TOKEN'] as const;

test.each(Array.from({ length: 8 }, (_, bits) => NAMES.filter((_name, at) => (bits >> at) % 2 === 1)))(
  'in files: %s %s %s',
  async (...inFiles) => {
    const directory = await mkdtemp(join(tmpdir(), 'sealgate-credentials-'));
    const settings: Record<string, string> = {
      SEALGATE_BACKEND: 'https://store.example.com',
      SEALGATE_STATE: 'sealgate-state',
      SEALGATE_SEAL_KEYS: SealKeys.generate(),
    };
    for (const name of NAMES) {
      const path = join(directory, name);
      await writeFile(path, `value-of-${name}\n`);
      if (inFiles.includes(name)) settings[`SEALGATE_BACKEND_${name}_FILE`] = path;
      else settings[`SEALGATE_BACKEND_${name}`] = `value-of-${name}`;
    }
    try {
      const { backend } = parseConfig(settings);
      if (backend.kind !== 's3') throw new Error('the backend is S3');
      const source = openCredentials(backend.credentials, { region: 'us-east-1' });
      expect(await source.current()).toEqual({
        accessKeyId: 'value-of-ACCESS_KEY_ID',
        secretAccessKey: 'value-of-SECRET_ACCESS_KEY',
        sessionToken: 'value-of-SESSION_TOKEN',
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  },
);
