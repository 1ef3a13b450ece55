/** Opens the audit of a server. Its first event says how the server was started. */
import { openServerAudit, type ServerAudit } from '../audit/open-audit.ts';
import type { Config } from '../config/config.ts';
import type { Logger } from '../observe/log.ts';
import type { Storage } from '../runtime.ts';

export async function startAudit(config: Config, storage: Storage, log: Logger): Promise<ServerAudit | undefined> {
  const deps = { ...storage, region: config.region, sealKeys: config.sealKeys, log, now: () => new Date() };
  const audit = await openServerAudit({ ...deps, config: config.audit });
  if (audit === undefined) log.warn('SEALGATE_AUDIT=off: nobody can say later who did what');
  await audit?.log.record({ kind: 'server-started', detail: startedAs(config) });
  return audit;
}

/** Settings that decide what is allowed and what is kept; never a secret. */
function startedAs(config: Config): string {
  const { audit, legacy, selfService, lastUsed, workers, escrowPublicKey, sealKeys, oidcIssuers } = config;
  const settings = {
    audit: audit.mode,
    legacy: legacy.kind,
    selfService,
    lastUsed,
    workers,
    escrow: escrowPublicKey?.toString('base64') ?? 'off',
    sealKeys: sealKeys.all.map(({ kid }) => kid),
    signs: sealKeys.active.kid,
    issuers: oidcIssuers.map(({ issuer }) => issuer),
    state: `${config.state.bucket}/${config.state.prefix}`,
  };
  return JSON.stringify(settings);
}
