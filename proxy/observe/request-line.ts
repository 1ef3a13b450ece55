/** The line that each request leaves in the log, in the configured format. */
import { pino } from 'pino';
import type { Config } from '../config/config.ts';
import type { Logger } from './log.ts';
import type { RequestLine } from './request-fields.ts';
import { accessLogLine } from './s3-access-log.ts';

export type WriteRequestLine = (line: RequestLine) => void;

/** Request lines are on when the log's level is `info` or lower. */
export function requestLinesTo(log: Logger, format: Config['logFormat']): WriteRequestLine {
  const write = format === 'json' ? (line: RequestLine) => log.info(fields(line), 'request') : toOutput();
  return (line) => {
    if (log.isLevelEnabled('info')) write(line);
  };
}

function toOutput(): WriteRequestLine {
  const stdout = pino.destination({ dest: 1, sync: true });
  return (line) => void stdout.write(`${accessLogLine(line)}\n`);
}

function fields(line: RequestLine): Record<string, unknown> {
  return {
    requestId: line.requestId,
    operation: line.operation,
    method: line.method,
    bucket: line.bucket,
    key: line.key,
    status: line.status,
    code: line.code,
    cut: line.cut,
    cutBy: line.cutBy,
    tenant: line.tenant,
    accessKey: line.accessKey,
    client: line.client,
    agent: line.agent,
    tls: line.tls,
    bytesIn: line.bytesIn,
    bytesOut: line.bytesOut,
    ms: rounded(line.ms),
    firstByteMs: line.firstByteMs === undefined ? undefined : rounded(line.firstByteMs),
    backendMs: rounded(line.backendMs),
    backendRequests: line.backendRequests,
  };
}

function rounded(ms: number): number {
  return Math.round(ms * 100) / 100;
}
