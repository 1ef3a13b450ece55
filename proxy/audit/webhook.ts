/**
 * Sends each checkpoint to a webhook, so that a copy lies where whoever holds the seal keys cannot change it. Signed as the Standard
 * Webhooks specification says (headers webhook-id, webhook-timestamp, webhook-signature). What is not taken is sent again with the
 * next one.
 */
import { createHmac, type KeyObject } from 'node:crypto';
import { AUDIT_WEBHOOK_REPLY_BYTES, AUDIT_WEBHOOK_TIMEOUT_MS, AUDIT_WEBHOOK_WAITING } from '../audit-limits.ts';
import type { Logger } from '../observe/log.ts';
import { sendOutbound } from '../outbound/send.ts';
import type { Chain } from './format/batch.ts';

export interface WebhookTarget {
  readonly url: URL;
  readonly secret: KeyObject;
}

export class CheckpointWebhook {
  readonly #target: WebhookTarget;
  readonly #log: Logger;
  readonly #now: () => Date;
  #waiting: Chain[] = [];
  #sending: Promise<void> | undefined;

  constructor(o: { target: WebhookTarget; log: Logger; now: () => Date }) {
    this.#target = o.target;
    this.#log = o.log;
    this.#now = o.now;
  }

  send(chain: Chain): void {
    this.#waiting = [...this.#waiting, chain].slice(-AUDIT_WEBHOOK_WAITING);
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
    });
  }

  async close(): Promise<void> {
    await this.#sending;
  }

  async #sendAll(): Promise<void> {
    for (let chain = this.#waiting[0]; chain !== undefined; chain = this.#waiting[0]) {
      try {
        await this.#post(chain);
        this.#waiting = this.#waiting.filter((one) => one !== chain);
      } catch (error) {
        const reason = error instanceof Error ? error.message : 'unknown';
        this.#log.error(
          { host: this.#target.url.host, reason, waiting: this.#waiting.length },
          'a checkpoint of the audit was not sent',
        );
        return;
      }
    }
  }

  async #post({ n, origin, size, checkpoint }: Chain): Promise<void> {
    const body = JSON.stringify({ type: 'audit.checkpoint', data: { origin, batch: n, size, checkpoint } });
    const id = `${origin.slice(origin.indexOf('/') + 1)}-${n}`;
    const timestamp = String(Math.floor(this.#now().getTime() / 1000));
    const signature = createHmac('sha256', this.#target.secret).update(`${id}.${timestamp}.${body}`).digest('base64');
    const { status } = await sendOutbound(this.#target.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'webhook-id': id,
        'webhook-timestamp': timestamp,
        'webhook-signature': `v1,${signature}`,
      },
      body,
      maxBytes: AUDIT_WEBHOOK_REPLY_BYTES,
      timeoutMs: AUDIT_WEBHOOK_TIMEOUT_MS,
    });
    if (status >= 300) throw new Error(`it answered ${status}`);
  }
}
