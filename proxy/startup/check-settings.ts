/** Checks every setting and every file that a setting names, and reports all problems at once. */
import { type Config, readConfig } from '../config/config.ts';
import { ConfigError, gatherSettings, type Settings } from '../config/settings.ts';
import type { TlsPair } from '../config/tls-pair.ts';
import { CERTIFICATE_WARNING_DAYS } from '../running-limits.ts';
import { type Finding, fault, ok, type Tell, warning } from './finding.ts';

const DAY_MS = 86_400_000;

/** The configuration; undefined after a fault. */
export function checkSettings(
  o: { readonly environment: NodeJS.ProcessEnv; readonly defaults?: Settings; readonly now: Date },
  tell: Tell,
): Config | undefined {
  const gathered = gather(o.environment, tell);
  if (gathered === undefined) return undefined;
  const { config, problems } = readConfig({ ...o.defaults, ...gathered.settings });
  for (const problem of [...gathered.unknown, ...problems]) tell(ofProblem(problem));
  if (config === undefined || gathered.unknown.length > 0) return undefined;
  const active = config.sealKeys.active.kid;
  tell(ok('settings', `${Object.keys(gathered.settings).length} settings, seal key '${active}' stands first`));
  if (config.tls !== undefined) tell(ofCertificate(config.tls, o.now));
  return config;
}

function gather(environment: NodeJS.ProcessEnv, tell: Tell) {
  try {
    return gatherSettings(environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    tell(ofProblem(error));
    return undefined;
  }
}

/** A problem names its setting at the beginning. */
function ofProblem({ variable, message }: ConfigError): Finding {
  const text = message.slice(`${variable}: `.length).replace(/\.$/, '');
  return fault(variable, text, 'The setting is described in docs/configuration.md');
}

function ofCertificate({ expires, names }: TlsPair, now: Date): Finding {
  const daysLeft = Math.floor((expires.getTime() - now.getTime()) / DAY_MS);
  const until = expires.toISOString().slice(0, 10);
  if (daysLeft < 0) {
    return warning(
      'SEALGATE_TLS_CERT',
      `the certificate ended on ${until}, and clients refuse it`,
      'Renew it, and send SIGHUP',
    );
  }
  if (daysLeft < CERTIFICATE_WARNING_DAYS) {
    return warning(
      'SEALGATE_TLS_CERT',
      `the certificate ends in ${daysLeft} days, on ${until}`,
      'Renew it, and send SIGHUP',
    );
  }
  return ok('SEALGATE_TLS_CERT', `certificate and key fit, until ${until}, for ${names}`);
}
