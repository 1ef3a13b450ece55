/**
 * Protects: a real balancer that sends PROXY headers of version 2 is understood, in front of plain HTTP and of TLS; and nginx as a
 * forwarder of HTTP names its client. (nginx's stream module sends version 1 of the PROXY protocol only, which is refused.)
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, type S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, test } from 'vitest';
import { freePort } from '../helpers/child-server.ts';
import { sendSigned } from '../helpers/raw-client.ts';
import { sdkClient } from './support/sdk-client.ts';
import { Stage } from './support/stage.ts';

const isInstalled = (program: string) => spawnSync(program, ['-v']).error === undefined;
if (!isInstalled('haproxy'))
  console.log('haproxy is not installed: the tests with a real sender of PROXY headers are left out');
if (!isInstalled('nginx')) console.log('nginx is not installed: the test with a real forwarder is left out');

const undo: (() => Promise<unknown> | unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

async function openStage(transport: 'http' | 'https', settings: Record<string, string>): Promise<Stage> {
  const stage = await Stage.open({ store: 'embedded store', transport, settings });
  undo.push(() => stage.close());
  return stage;
}

/** Runs it until the test ends, and waits for its port. */
async function front(command: string, args: readonly string[], port: number): Promise<void> {
  const child: ChildProcess = spawn(command, args, { stdio: 'ignore' });
  const exited = once(child, 'exit');
  undo.unshift(async () => {
    child.kill('SIGTERM');
    await exited;
  });
  await expect
    .poll(async () => {
      const socket = connect({ port, host: '127.0.0.1' });
      const isOpen = await once(socket, 'connect').then(
        () => true,
        () => false,
      );
      socket.destroy();
      return isOpen;
    })
    .toBe(true);
}

function behind(stage: Stage, port: number): S3Client {
  const { protocol } = new URL(stage.endpoint);
  const client = sdkClient(stage, { endpoint: `${protocol}//127.0.0.1:${port}` });
  undo.unshift(() => client.destroy());
  return client;
}

/** The addresses that request lines name. */
const clients = (stage: Stage) =>
  [...stage.program.output().matchAll(/"client":"([^"]+)"/g)].map(([, address]) => address);

describe.skipIf(!isInstalled('haproxy')).each(['http', 'https'] as const)('haproxy in front of %s', (transport) => {
  async function haproxy(stage: Stage, how: string): Promise<number> {
    const port = await freePort();
    const file = stage.path('haproxy.cfg');
    writeFileSync(
      file,
      `defaults
  mode tcp
  timeout connect 10s
  timeout client 60s
  timeout server 60s
listen s3
  bind 127.0.0.1:${port}
  server one 127.0.0.1:${new URL(stage.endpoint).port} source 127.0.0.9 ${how}
`,
    );
    await front('haproxy', ['-db', '-f', file], port);
    return port;
  }

  test('its headers name the clients, whatever address it comes from itself', async () => {
    const stage = await openStage(transport, { SEALGATE_PROXY_PROTOCOL: 'required' });
    const client = behind(stage, await haproxy(stage, 'send-proxy-v2 check check-send-proxy inter 200'));
    await client.send(new CreateBucketCommand({ Bucket: stage.bucket }));
    const Body = stage.content(3_000_000);
    const at = { Bucket: stage.bucket, Key: 'behind-a-balancer' };
    await client.send(new PutObjectCommand({ ...at, Body }));
    const read = await (await client.send(new GetObjectCommand(at))).Body?.transformToByteArray();
    expect(Buffer.from(read ?? []).equals(Body)).toBe(true);
    expect(new Set(clients(stage))).toEqual(new Set(['127.0.0.1']));
    expect(stage.program.output()).not.toContain('proxy-header-refused');
  });

  test('a balancer that sends none is refused, and the log says why', async () => {
    const stage = await openStage(transport, { SEALGATE_PROXY_PROTOCOL: 'required' });
    const client = behind(stage, await haproxy(stage, ''));
    await expect(client.send(new GetObjectCommand({ Bucket: stage.bucket, Key: 'x' }))).rejects.toThrow();
    await expect.poll(() => stage.program.output()).toContain('"securityEvent":"proxy-header-refused"');
    expect(stage.program.output()).toContain('"sourceIPAddress":"127.0.0.9"');
  });
});

describe.skipIf(!isInstalled('nginx'))('nginx in front of it', () => {
  async function nginx(stage: Stage): Promise<number> {
    const port = await freePort();
    const directory = stage.newDirectory('nginx');
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (of) => `${of}_temp_path ${directory}/${of};`,
    );
    const file = stage.path('nginx.conf');
    writeFileSync(
      file,
      `daemon off;
pid ${directory}/pid;
error_log ${directory}/error.log;
events {}
http {
  access_log off;
  ${temporary.join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    client_max_body_size 0;
    location / {
      proxy_pass ${stage.endpoint};
      proxy_bind 127.0.0.8;
      proxy_http_version 1.1;
      proxy_request_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
`,
    );
    await front('nginx', ['-p', directory, '-c', file], port);
    return port;
  }

  test.each([
    ['trusted', '127.0.0.8', '127.0.0.1'],
    ['not trusted', '192.0.2.1', '127.0.0.8'],
  ])('%s: what a client forges in X-Forwarded-For is not read', async (_, SEALGATE_TRUSTED_PROXIES, expected) => {
    const stage = await openStage('http', { SEALGATE_TRUSTED_PROXIES });
    const endpoint = `http://127.0.0.1:${await nginx(stage)}`;
    const forged = [['x-forwarded-for', '10.9.9.9']] as const;
    const signedHeaders = ['host', 'x-amz-content-sha256', 'x-amz-date'];
    const asked = { method: 'GET', path: '/', headers: forged, signedHeaders };
    expect((await sendSigned(endpoint, stage.tenant, asked)).status).toBe(200);
    await expect.poll(() => clients(stage)).toEqual([expected]);
  });
});
