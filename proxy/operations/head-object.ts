/** HeadObject: everything a GET would say, from opened attributes; a range or part number selects as it does there. */
import { checkRead } from '../object/conditions.ts';
import { inspectObject } from '../object/inspect-object.ts';
import { objectHeaders, readValidators } from '../object/reply-headers.ts';
import { retryWhenChanged } from '../object/retry-when-changed.ts';
import { selectBytes } from '../object/selection.ts';
import { type Operation, objectOf } from '../operation.ts';
import { readConditions } from './request/conditions.ts';
import { RESPONSE_OVERRIDES, responseOverrides } from './request/response-overrides.ts';
import { wantedBytes, wantsChecksums } from './request/selection.ts';

export const headObject: Operation = {
  name: 'HeadObject',
  selector: { method: 'HEAD', level: 'object' },
  parameters: ['versionId', 'partNumber', ...Object.keys(RESPONSE_OVERRIDES)],
  body: 'none',
  memory: 'small',
  async run(call) {
    const { request } = call;
    // Before anything is fetched: what is asked for may be refused.
    const bytes = wantedBytes(request);
    return retryWhenChanged(async () => {
      const object = await inspectObject(call.context, {
        ...objectOf(call),
        versionId: request.query.get('versionId'),
      });
      const conditions = readConditions(request);
      const overrides = responseOverrides(request);
      if (conditions !== undefined) checkRead(conditions, readValidators(object, overrides));
      const selection = await selectBytes(call.context, object, bytes);
      const checksums = selection.kind === 'whole' && wantsChecksums(request);
      const headers = objectHeaders(object, { checksums, overrides });
      if (selection.kind === 'whole')
        return { status: 200, headers: { ...headers, ...selection.headers, 'Content-Length': String(object.size) } };
      const length = String(selection.range.end - selection.range.start);
      return { status: 206, headers: { ...headers, ...selection.headers, 'Content-Length': length } };
    });
  },
};
