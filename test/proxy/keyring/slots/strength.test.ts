// Protects: no API key that can be guessed from one captured signature is ever taken in, and the refusal shows nothing of it.
import { describe, expect, it } from 'vitest';
import { SAMPLE_SECRETS } from '../../../../proxy/config/sample-secrets.ts';
import { generateApiKey, secretAccessKeyOf } from '../../../../proxy/keyring/slots/api-key.ts';
import { refuseWeakKey, WeakApiKey } from '../../../../proxy/keyring/slots/strength.ts';

const WEAK: readonly (readonly [reason: RegExp, secret: string])[] = [
  [/sample/, 'minioadmin'],
  [/sample/, 'MinioAdmin'],
  [/sample/, 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'],
  [/sample/, '"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"'],
  [/sample/, 'je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY'],
  [/sample/, 'prefix-wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY-suffix'],
  [/21 characters/, 'Xk3v9Qp2Lm8sZr4TbW7y1'],
  [/0 characters/, ''],
  [/2\^\d+ guesses/, 'Xk3v9Qp2Lm8sZr4TbW7y1n'],
  [/2\^\d+ guesses/, 'correcthorsebatterystaple'],
  [/2\^\d+ guesses/, 'passwordpasswordpasswordpassword'],
  [/2\^\d+ guesses/, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'],
  [/2\^\d+ guesses/, 'abcdefghijklmnopqrstuvwxyz0123456789'],
  [/2\^\d+ guesses/, 'Summer2024!Summer2024!Summer2024!'],
  [/2\^\d+ guesses/, 'qwertyuiopasdfghjklzxcvbnm'],
  [/2\^\d+ guesses/, 'x'.repeat(5000)],
];

describe('keys brought along', () => {
  it.each(WEAK)('are refused: %s %j', async (reason, secret) => {
    const refused = await refuseWeakKey(secret).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(WeakApiKey);
    const { message } = refused as WeakApiKey;
    expect(message).toMatch(reason);
    expect(message).toMatch(/billions of guesses a second/);
    if (secret.length > 3) expect(message).not.toContain(secret);
  });

  it('are taken when they are random and long enough', async () => {
    const fine = [
      'Xk3v9Qp2Lm8sZr4TbW7y1nGdQ',
      '9f1c7be2a40d583617e9b0f4c2d86a3e5b7f9012',
      'Vt8/q2Lw+5nRz0KfYc7XhG3mJpUe1sBd9aToW6iE',
      secretAccessKeyOf(generateApiKey()),
    ];
    for (const secret of fine) await expect(refuseWeakKey(secret)).resolves.toBeUndefined();
    expect(fine.length).toBe(4);
  });

  it('are refused whichever sample they are', async () => {
    for (const sample of SAMPLE_SECRETS) await expect(refuseWeakKey(sample)).rejects.toThrow(WeakApiKey);
    expect(SAMPLE_SECRETS.size).toBeGreaterThan(10);
  });
});
