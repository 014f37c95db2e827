import { z } from 'zod'
import {
  CONGESTION_CONTROL_NAME,
  DEFAULT_SOCKET_OPTIONS,
  SOCKET_RANGES,
  type SocketOptions,
} from '../../../entry/options.ts'
import { type GivenOptions, optionGroup } from './option-group.ts'

/** The `socket` group. */
export function socketGroup(): z.ZodType<GivenOptions<SocketOptions>> {
  return optionGroup(DEFAULT_SOCKET_OPTIONS, SOCKET_RANGES, {
    congestionControl: z
      .string()
      .regex(
        CONGESTION_CONTROL_NAME,
        'must be a name such as cubic, of up to 15 lower-case letters, digits, - and _',
      ),
  })
}
