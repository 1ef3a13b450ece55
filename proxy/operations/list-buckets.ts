/** ListBuckets: those that the caller's grants name; never the state bucket. */
import { seesBucket } from '../access/authorise.ts';
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
  access: 'service',
  body: 'none',
  memory: 'listing',
  async run(call) {
    const { tenant, services, request } = call;
    const { document } = await ask(call.context, 'ListBuckets', {
      method: 'GET',
      query: forwarded(request, FORWARDED),
    });
    const page = parseListBuckets(document);
    const buckets = page.buckets.filter(({ name }) => seesBucket(tenant.grants, name, services.stateBucket));
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
