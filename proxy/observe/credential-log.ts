/** Logs what happens to the proxy's own credentials for the store, and never the credentials themselves. */
import type { OnCredentialEvent } from '../backend/s3/credentials/credential-source.ts';
import { showable } from '../backend/trouble/store-refusal.ts';
import type { Logger } from './log.ts';

export function credentialEventsTo(log: Logger): OnCredentialEvent {
  return (event) => {
    const expires = event.expires === undefined ? undefined : new Date(event.expires).toISOString();
    if (event.kind === 'renewed') log.info({ expires }, "the proxy's credentials at the store are in force");
    else
      log.error(
        { expires, reason: showable(event.error.message) },
        "the proxy's credentials at the store cannot be had",
      );
  };
}
