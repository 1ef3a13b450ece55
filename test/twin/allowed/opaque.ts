/** What a bucket with opaque ETags shows otherwise than a store without the proxy. */
import { type Allowed, bareOnly } from './rule.ts';

export const OPAQUE: readonly Allowed[] = [
  {
    name: 'opaque ETags',
    reason:
      "in opaque mode an ETag is that of the proxy's own store and ends in -N; one such ETag stands for one MD5 ETag, everywhere",
    allows: ({ at, bare, proxy }, { etags }) =>
      /^(header etag|xml .*\/ETag(\[\d+\])?)$/.test(at) && etags?.same(bare, proxy) === true,
  },
  {
    name: 'opaque ETags in redirects',
    reason: 'the address to which a form redirects has the ETag as a parameter, and the parameters in another order',
    allows: ({ at, bare = '', proxy = '' }, { etags }) => {
      if (at !== 'header location' || !URL.canParse(bare) || !URL.canParse(proxy)) return false;
      const [one, other] = [new URL(bare), new URL(proxy)];
      const [etag, shown] = [one, other].map(({ searchParams }) => searchParams.get('etag') ?? '');
      for (const url of [one, other]) {
        url.searchParams.delete('etag');
        url.searchParams.sort();
      }
      return one.href === other.href && etags?.same(etag, shown) === true;
    },
  },
  {
    name: 'checksums in listings',
    reason: 'in opaque mode rows of listings have no checksum algorithm and type: HEAD and GET tell them',
    allows: (difference) =>
      /^xml \/List(Bucket|Versions)Result\/(Contents|Version)(\|DeleteMarker)?(\[\d+\])?\/Checksum(Algorithm|Type)(\[\d+\])?$/.test(
        difference.at,
      ) && bareOnly(difference),
  },
];
