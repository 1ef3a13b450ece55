/** HeadObject: everything a GET would say, from opened attributes; a range or part number selects as it does there. */
import { checkRead, readConditions } from '../object/conditions.ts';
import { objectHeaders, RESPONSE_OVERRIDES, readValidators } from '../object/reply-headers.ts';
import { selectBytes, wantsChecksums } from '../object/selection.ts';
import { inspectObject, retryWhenChanged } from '../object/stored-object.ts';
import { type Operation, objectOf } from '../operation.ts';

export const headObject: Operation = {
  name: 'HeadObject',
  selector: { method: 'HEAD', level: 'object' },
  parameters: ['versionId', 'partNumber', ...Object.keys(RESPONSE_OVERRIDES)],
  access: 'read',
  body: 'none',
  run: (call) =>
    retryWhenChanged(async () => {
      const { request } = call;
      const object = await inspectObject(call, { ...objectOf(call), versionId: request.query.get('versionId') });
      const conditions = readConditions(request);
      if (conditions !== undefined) checkRead(conditions, readValidators(object, request));
      const selection = await selectBytes(call, object);
      const checksums = selection.kind === 'whole' && wantsChecksums(request);
      const headers = objectHeaders(object, request, { checksums });
      if (selection.kind === 'whole')
        return { status: 200, headers: { ...headers, ...selection.headers, 'Content-Length': String(object.size) } };
      const length = String(selection.range.end - selection.range.start);
      return { status: 206, headers: { ...headers, ...selection.headers, 'Content-Length': length } };
    }),
};
