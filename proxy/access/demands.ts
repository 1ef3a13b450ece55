/**
 * What a request needs to be allowed, from its head alone: the actions of its operation on what the URL names, those that its
 * headers ask for, and reading the source of a copy. Objects that only the body names are asked for by the operation.
 */
import { parseCopySource } from '../operations/request/copy-source.ts';
import { type ActionRow, rowOf, SOURCE_ROW, TAGS_ROW } from './action-table.ts';
import { type Action, isReadOnly } from './actions.ts';
import type { Demand } from './decide.ts';
import { headerActions } from './header-actions.ts';
import { ALL_BUCKETS, bucketResource, objectResource, type Resource } from './resource.ts';

/** The request as the operation sees it: for a form, with its fields as headers. */
export interface Asked {
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** Whether `versionId` is among the query parameters. */
  readonly namesVersion: boolean;
  header(name: string): string | undefined;
}

/** @throws S3Error InvalidArgument for a copy source that names no object */
export function demandsOf(
  operation: { readonly name: string; readonly selector: { readonly copySource?: true } },
  asked: Asked,
): readonly Demand[] {
  const row = rowOf(operation.name);
  if (row.each === true) return [];
  const target = targetOf(asked);
  const demands = actionsOn(row, asked).map((action) => ({ action, resource: target }));
  if (operation.selector.copySource === true) {
    const source = parseCopySource(asked.header('x-amz-copy-source') ?? '');
    const resource = objectResource(source);
    for (const action of actionsOf(SOURCE_ROW, source.versionId !== undefined)) demands.push({ action, resource });
  }
  return demands;
}

/** For an object that a body names, with the request's headers. */
export function demandsOfEach(
  operation: string,
  object: { readonly bucket: string; readonly key: string; readonly versionId: string | undefined },
  header: (name: string) => string | undefined,
): readonly Demand[] {
  const resource = objectResource(object);
  const { bucket, key, versionId } = object;
  const asked = { bucket, key, namesVersion: versionId !== undefined, header };
  return actionsOn(rowOf(operation), asked).map((action) => ({ action, resource }));
}

/** What a copy that keeps the tags of its source must be allowed, where the source is tagged. */
export function demandsOfTags(
  source: { readonly bucket: string; readonly key: string; readonly versionId?: string | undefined },
  copy: { readonly bucket: string; readonly key: string },
): readonly Demand[] {
  const ofSource = actionsOf(TAGS_ROW.source, source.versionId !== undefined);
  const of = (object: typeof copy, actions: readonly Action[]) =>
    actions.map((action) => ({ action, resource: objectResource(object) }));
  return [...of(source, ofSource), ...of(copy, TAGS_ROW.copy.actions)];
}

function actionsOn(row: ActionRow, asked: Asked): readonly Action[] {
  const actions = actionsOf(row, asked.namesVersion);
  if (actions.every(isReadOnly)) return actions;
  const what = asked.key === undefined ? 'bucket' : asked.namesVersion ? 'version' : 'object';
  const byHeader = headerActions((name) => asked.header(name), what);
  return byHeader.length === 0 ? actions : [...new Set([...actions, ...byHeader])];
}

function actionsOf({ actions, ofVersion }: ActionRow, namesVersion: boolean): readonly Action[] {
  return namesVersion && ofVersion !== undefined ? ofVersion : actions;
}

function targetOf({ bucket, key }: Asked): Resource {
  if (bucket === undefined) return ALL_BUCKETS;
  return key === undefined ? bucketResource(bucket) : objectResource({ bucket, key });
}
