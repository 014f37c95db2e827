import { formatPath } from '../../../src/service/config/config-fault.ts'
import { parseConfig } from '../../../src/service/config/parse-config.ts'
import type { ServiceConfig } from '../../../src/service/config/service-config.ts'
import type { EndedExchange } from '../../../src/service/forwarding/forwarded-exchange.ts'
import { Forwarder } from '../../../src/service/forwarding/forwarder.ts'
import { RequestIds } from '../../../src/service/forwarding/request-id.ts'
import { SessionCounts } from '../../../src/service/web-transport/session-counts.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { FakeIngressExchange } from './fake-ingress-exchange.ts'
import { type FakeDispatch, fakeTransport } from './fake-transport.ts'

/** A forwarder of a configuration, with everything around it made up. */
export function setUpForwarder(
  changes: Partial<ServiceConfig> = {},
  onDispatch?: (dispatch: FakeDispatch) => void,
) {
  const { transport, dispatches } = fakeTransport(onDispatch)
  const answers: { status: number; route: string | undefined; code: string | undefined }[] = []
  const clock = new FakeClock()
  const forwarder = new Forwarder(settingsOf(changes), {
    transport,
    clock,
    instanceId: 'id',
    dateHeader: () => 'now',
    requestIds: new RequestIds('x-request-id', () => 'made'),
    onRefused: () => undefined,
    onAnswered: () => undefined,
    onEnded: ({ status, route, error }: EndedExchange) => answers.push({ status, route, code: error?.code }),
    onCarried: () => undefined,
    sessionCounts: () => new SessionCounts(),
    random: () => 0.5,
  })
  const handle = forwarder.handler()
  /** Hands it a request. */
  const send = (request: Partial<FakeIngressExchange> = {}): FakeIngressExchange => {
    const client = new FakeIngressExchange(request)
    handle(client)
    return client
  }
  return { forwarder, dispatches, answers, clock, send }
}

/** Those of a configuration. Throws where it has faults. */
export function settingsOf(changes: Partial<ServiceConfig>) {
  const parsed = parseConfig({ listen: [{ address: '127.0.0.1:0' }], ...changes }, '.')
  if (parsed.ok) return parsed.settings
  throw new Error(parsed.faults.map(({ path, message }) => `${formatPath(path)} ${message}`).join())
}
