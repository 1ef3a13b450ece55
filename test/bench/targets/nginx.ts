/** nginx in front of the backend as a plain streaming pass-through: what a proxy costs that does nothing. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../helpers/child-server.ts';
import type { Certificate } from '../tls.ts';
import type { BackendUnderTest } from './backend.ts';
import type { Children } from './children.ts';
import { PLAIN_BUCKET, type Target, targetOnPort, untilAnswering } from './target.ts';

/** Debian's package puts it where the PATH of a user may not look. */
const PROGRAMS = ['nginx', '/usr/sbin/nginx'];

function configuration(o: { directory: string; port: number; backend: string; tls: Certificate | undefined }): string {
  const tls = o.tls === undefined ? '' : `ssl_certificate ${o.tls.certificate}; ssl_certificate_key ${o.tls.key};`;
  return `daemon off; worker_processes 1; pid ${o.directory}/nginx.pid; error_log ${o.directory}/nginx-errors.log;
events { worker_connections 4096; }
http {
  access_log ${o.directory}/nginx-access.log;
  client_body_temp_path ${o.directory}; proxy_temp_path ${o.directory}; fastcgi_temp_path ${o.directory};
  uwsgi_temp_path ${o.directory}; scgi_temp_path ${o.directory};
  client_max_body_size 0; client_body_buffer_size 128k; large_client_header_buffers 4 32k;
  keepalive_requests 100000000; keepalive_timeout 120s; tcp_nodelay on;
  upstream backend { server ${o.backend}; keepalive 128; keepalive_requests 100000000; }
  server {
    listen 127.0.0.1:${o.port} ${o.tls === undefined ? '' : 'ssl'}; ${tls}
    location / {
      proxy_pass http://backend; proxy_http_version 1.1;
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
      proxy_buffering off; proxy_request_buffering off; proxy_buffer_size 128k; proxy_buffers 4 128k; proxy_busy_buffers_size 128k;
    }
  }
}
`;
}

/** `undefined` when there is no nginx here, or the backend is not plain HTTP. */
export async function startNginx(o: {
  readonly name: string;
  readonly children: Children;
  readonly backend: BackendUnderTest;
  readonly directory: string;
  readonly tls?: Certificate;
}): Promise<Target | undefined> {
  const { protocol, host } = new URL(o.backend.url);
  if (protocol !== 'http:') return undefined;
  const port = await freePort();
  const file = join(o.directory, `${o.name}.conf`);
  writeFileSync(file, configuration({ directory: o.directory, port, backend: host, tls: o.tls }));
  const log = join(o.directory, `${o.name}.log`);
  for (const command of PROGRAMS) {
    const args = ['-c', file, '-p', o.directory];
    const child = await o.children.start({ command, args, log });
    if (child === undefined) continue;
    if (o.tls === undefined) await untilAnswering(`http://127.0.0.1:${port}/${PLAIN_BUCKET}`, { what: o.name, log });
    const { name, tls, backend } = o;
    return targetOnPort({ name, port, tls, bucket: PLAIN_BUCKET, pid: child.pid, signing: backend });
  }
  return undefined;
}
