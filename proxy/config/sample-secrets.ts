/** Secrets that stand in examples all over the web, and so protect nothing: refused wherever a secret is given. */
export const SAMPLE_SECRETS: ReadonlySet<string> = new Set([
  'minioadmin',
  'minio123',
  'changeme',
  'secret',
  'password',
  'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
  'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  'wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY',
  'je7MtGbClwBF/2Zp9Utk/h3yCo8nvbEXAMPLEKEY',
  'zuf+tfteSlswRu7BJ86wekitnifILbZam1KYY3TG',
  'Q3AM3UQ867SPQQA43P2F+zuf+tfteSlswRu7BJ86wekitnifILbZam1KYY3TG',
  'YOUR-SECRETACCESSKEY',
  'YOUR_SECRET_ACCESS_KEY',
  'AWS_SECRET_ACCESS_KEY',
  'verySecretKey1',
]);
