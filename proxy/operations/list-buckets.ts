/** ListBuckets: those in which the caller could reach anything; never the state bucket. */
import { ask } from '../backend/ask.ts';
import { parseListBuckets } from '../backend/list.ts';
import { xmlReply } from '../http/reply.ts';
import type { Operation } from '../operation.ts';
import { renderXml } from '../xml/render-xml.ts';
import { forwarded } from './request/list-parameters.ts';

const FORWARDED = ['prefix', 'max-buckets', 'continuation-token', 'bucket-region'] as const;

export const listBuckets: Operation = {
  name: 'ListBuckets',
  selector: { method: 'GET', level: 'service' },
  parameters: FORWARDED,
  body: 'none',
  memory: 'listing',
  async run(call) {
    const { tenant, gate, request } = call;
    const { document } = await ask(call.context, 'ListBuckets', {
      method: 'GET',
      query: forwarded(request, FORWARDED),
    });
    const page = parseListBuckets(document);
    const buckets = page.buckets.filter(({ name }) => gate.couldReach(name));
    return xmlReply(
      renderXml('ListAllMyBucketsResult', {
        Owner: { ID: tenant.id, DisplayName: tenant.id },
        Buckets: {
          Bucket: buckets.map(({ name, creationDate, region }) => ({
            Name: name,
            CreationDate: creationDate.toISOString(),
            BucketRegion: region,
          })),
        },
        ContinuationToken: page.nextToken,
        Prefix: request.query.get('prefix'),
      }),
    );
  },
};
