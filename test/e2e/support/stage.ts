/**
 * Everything one client needs: a store, the program in front of it over http or https, two tenants, a bucket, and a private
 * directory. Whatever a client stores is remembered, so that at the end the store and the log can be searched for it.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Certificate, makeCertificate } from './certificate.ts';
import {
  findSecrets,
  type ScanResult,
  type Secret,
  secretsOfDigests,
  secretsOfKey,
  secretsOfText,
} from './exposure.ts';
import { type Digests, digestsOf, markedContent, writeMarkedFile } from './plaintext.ts';
import { type RunningProgram, runProgram, startServe } from './program.ts';
import { openStore, type StoreName, type StoreUnderTest } from './store-under-test.ts';

export interface Tenant {
  readonly tenant: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface StageOptions {
  readonly store: StoreName;
  readonly transport: 'http' | 'https';
  /** Added to the program's own settings. */
  readonly settings?: Readonly<Record<string, string>>;
}

export class Stage {
  readonly store: StoreUnderTest;
  readonly transport: 'http' | 'https';
  readonly directory: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly certificate: Certificate | undefined;
  readonly tenant: Tenant;
  /** May use every bucket too, with keys of its own. */
  readonly stranger: Tenant;
  readonly bucket = `e2e-${randomBytes(5).toString('hex')}`;
  readonly marker: string;
  #program: RunningProgram;
  /** Printed by programs that were stopped since. */
  #printed = '';
  readonly #secrets: Secret[] = [];
  #files = 0;

  private constructor(o: {
    store: StoreUnderTest;
    transport: 'http' | 'https';
    directory: string;
    settings: Readonly<Record<string, string>>;
    certificate: Certificate | undefined;
    program: RunningProgram;
    tenants: readonly [Tenant, Tenant];
    marker: string;
  }) {
    this.store = o.store;
    this.transport = o.transport;
    this.directory = o.directory;
    this.settings = o.settings;
    this.certificate = o.certificate;
    this.#program = o.program;
    [this.tenant, this.stranger] = o.tenants;
    this.marker = o.marker;
    this.#secrets.push(...secretsOfText('plaintext marker', o.marker));
    for (const { accessKeyId, secretAccessKey } of o.tenants) {
      this.#secrets.push(...secretsOfKey('API key', secretAccessKey), ...secretsOfText('access key id', accessKeyId));
    }
  }

  static async open(o: StageOptions): Promise<Stage> {
    const directory = await mkdtemp(join(tmpdir(), 'sealgate-e2e-'));
    const undo = [() => rm(directory, { recursive: true, force: true })];
    try {
      const store = await openStore(o.store, directory);
      undo.unshift(() => store.stop());
      const certificate = o.transport === 'https' ? makeCertificate(directory) : undefined;
      const settings = {
        ...store.settings,
        SEALGATE_STATE: 'sealgate-state',
        SEALGATE_SEAL_KEYS: `e2e:${randomBytes(32).toString('base64')}`,
        SEALGATE_LOG_LEVEL: 'trace',
        ...(certificate && { SEALGATE_TLS_CERT: certificate.certificate, SEALGATE_TLS_KEY: certificate.key }),
        ...o.settings,
      };
      const program = await startServe({ directory, settings });
      undo.unshift(() => program.kill());
      const own = await createTenant({ directory, settings });
      const tenants = [own, await createTenant({ directory, settings })] as const;
      const marker = `CLEAR-${randomBytes(18).toString('hex')}`;
      return new Stage({ store, transport: o.transport, directory, settings, certificate, program, tenants, marker });
    } catch (error) {
      for (const step of undo) await step();
      throw error;
    }
  }

  get program(): RunningProgram {
    return this.#program;
  }

  /** Whether the program shows the store's own ETags. */
  get isOpaque(): boolean {
    return this.settings['SEALGATE_ETAGS'] === 'opaque';
  }

  get endpoint(): string {
    return this.#program.endpoint;
  }

  /** Another process on the same store; `meanwhile` runs while there is none. */
  async restart(meanwhile: () => Promise<void> = async () => undefined): Promise<void> {
    await this.#program.stop();
    this.#printed += this.#program.output();
    await meanwhile();
    this.#program = await startServe({ directory: this.directory, settings: this.settings });
  }

  /** A new path in the private directory. */
  path(name: string): string {
    return join(this.directory, `${++this.#files}-${name}`);
  }

  newDirectory(name: string): string {
    const path = this.path(name);
    mkdirSync(path);
    return path;
  }

  /** Content that must never be seen at the store. */
  content(bytes: number): Buffer {
    const content = markedContent(bytes, this.marker);
    this.#remember(bytes, digestsOf(content));
    return content;
  }

  /** The same as a file; its path and digests. */
  file(o: { name: string; bytes: number }): Digests & { path: string } {
    const path = this.path(o.name);
    return { path, ...this.fileAt(path, o.bytes) };
  }

  fileAt(path: string, bytes: number): Digests {
    const digests = writeMarkedFile(path, { bytes, marker: this.marker });
    this.#remember(bytes, digests);
    return digests;
  }

  /** Digests of empty and tiny contents occur by chance or on purpose (the hash of nothing), so they prove nothing. */
  #remember(bytes: number, digests: Digests): void {
    if (bytes >= 16) this.#secrets.push(...secretsOfDigests(`${bytes} bytes of content`, digests));
  }

  /** Credentials made by a test: the search looks for them too. */
  keepSecret({ accessKeyId, secretAccessKey }: Omit<Tenant, 'tenant'>): void {
    this.#secrets.push(...secretsOfKey('API key', secretAccessKey), ...secretsOfText('access key id', accessKeyId));
  }

  /** Any other secret: a token, a session's key. */
  keepText(name: string, text: string): void {
    this.#secrets.push(...secretsOfText(name, text));
  }

  /** Looks for everything secret in the store and in what the program printed; `sees`: the bucket's name was found in both. */
  async search(): Promise<ScanResult & { readonly sees: boolean }> {
    const { store } = this;
    const printed = this.#printed + this.#program.output();
    async function* everything() {
      yield { where: 'log', content: Buffer.from(printed) };
      yield* store.contents();
    }
    const result = await findSecrets(everything(), this.#secrets);
    const visible = await findSecrets(everything(), secretsOfText('bucket name', this.bucket));
    const seen = visible.findings.map(({ where }) => where);
    return { ...result, sees: seen.includes('log') && seen.some((where) => where !== 'log') };
  }

  async close(): Promise<void> {
    await this.#program.stop();
    await this.store.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** By the command line, beside the running server. */
export async function createTenant(
  o: { directory: string; settings: Readonly<Record<string, string>> },
  grants: readonly string[] = ['--bucket', '*'],
): Promise<Tenant> {
  const { code, stdout, stderr } = await runProgram(['tenant', 'create', ...grants, '--json'], o);
  if (code !== 0) throw new Error(`tenant create exited with ${code}: ${stderr}`);
  return JSON.parse(stdout) as Tenant;
}
