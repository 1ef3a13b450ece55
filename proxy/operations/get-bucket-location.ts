/** GetBucketLocation. An empty answer means us-east-1. */
import { parseAnswer } from '../backend/answer-xml.ts';
import { ask } from '../backend/ask.ts';
import { xmlReply } from '../http/reply.ts';
import { bucketOf, type Operation } from '../operation.ts';
import { escapeXml, S3_NAMESPACE } from '../xml/render-xml.ts';

export const getBucketLocation: Operation = {
  name: 'GetBucketLocation',
  selector: { method: 'GET', level: 'bucket', subresources: ['location'] },
  parameters: [],
  body: 'none',
  memory: 'small',
  async run(call) {
    const bucket = bucketOf(call);
    const { document } = await ask(call.context, 'GetBucketLocation', {
      method: 'GET',
      bucket,
      query: [['location', '']],
      headers: call.context.accountHeaders,
    });
    const region = parseAnswer(document, 'LocationConstraint').text.trim();
    const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
    return xmlReply(
      `${declaration}<LocationConstraint xmlns="${S3_NAMESPACE}">${escapeXml(region)}</LocationConstraint>`,
    );
  },
};
