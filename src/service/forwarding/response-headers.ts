import type { HeaderList } from '../../index.ts'
import type { OwnName } from './own-name.ts'

/** The field that every forwarded response gains; an origin's own Via stays in front of it, as another line of the same list. */
export function responseVia(name: OwnName): HeaderList {
  return ['via', `1.1 ${name.viaEntry}`]
}
