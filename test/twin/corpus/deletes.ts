/** DeleteObjects: quiet, keys that are not there, many, twice the same, documents that are wrong, digests. */
import { md5Text } from '../request.ts';
import type { Sequence } from '../twin.ts';
import { put, xml } from './content.ts';

const of = (keys: readonly string[], more = '') =>
  xml('Delete', `${more}${keys.map((key) => `<Object><Key>${key}</Key></Object>`).join('')}`);
const post = (body: string, headers: readonly (readonly [string, string])[] = [['content-md5', md5Text(body)]]) =>
  ({ method: 'POST', query: 'delete', body, headers }) as const;
const filled = [put('a', '1'), put('b', '2'), put('c', '3')];
const list = { method: 'GET', query: 'list-type=2' } as const;
const many = Array.from({ length: 1000 }, (_, i) => `key-${i}`);

export const DELETES: readonly Sequence[] = [
  { name: 'DeleteObjects', steps: [...filled, post(of(['a', 'b'])), list] },
  { name: 'DeleteObjects, quiet', steps: [...filled, post(of(['a', 'gone'], '<Quiet>true</Quiet>')), list] },
  { name: 'DeleteObjects, not quiet', steps: [...filled, post(of(['a'], '<Quiet>false</Quiet>')), list] },
  { name: 'DeleteObjects of what is not there', steps: [...filled, post(of(['gone', 'a'])), list] },
  { name: 'DeleteObjects of the same key twice', steps: [...filled, post(of(['a', 'a'])), list] },
  { name: 'DeleteObjects of 1,000 keys', steps: [put('key-1', 'x'), post(of(many)), list] },
  { name: 'DeleteObjects of 1,001 keys', steps: [put('key-1', 'x'), post(of([...many, 'more'])), list] },
  ...Object.entries({
    empty: '',
    malformed: '<Delete><Object>',
    'of no keys': of([]),
    'of another root': xml('Other', '<Object><Key>a</Key></Object>'),
    'without a key': xml('Delete', '<Object></Object>'),
    'with an empty key': of(['']),
    'without a namespace': '<Delete><Object><Key>a</Key></Object></Delete>',
    'with white space': '<Delete>\n  <Object>\n    <Key>a</Key>\n  </Object>\n</Delete>\n',
    'with a document type': '<!DOCTYPE a [<!ENTITY b "c">]><Delete><Object><Key>a</Key></Object></Delete>',
    'with unknown elements': xml('Delete', '<Object><Key>a</Key><Other>x</Other></Object><Else/>'),
  }).map(
    ([name, body]): Sequence => ({ name: `DeleteObjects document ${name}`, steps: [...filled, post(body), list] }),
  ),
  { name: 'DeleteObjects without a digest', steps: [...filled, post(of(['a']), []), list] },
  {
    name: 'DeleteObjects with a wrong digest',
    steps: [...filled, post(of(['a']), [['content-md5', md5Text('other')]]), list],
  },
  {
    name: 'DeleteObjects with an ETag',
    steps: [
      ...filled,
      post(xml('Delete', '<Object><Key>a</Key><ETag>"c4ca4238a0b923820dcc509a6f75849b"</ETag></Object>')),
    ],
  },
];
