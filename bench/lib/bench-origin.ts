import { type Nginx, startNginx } from '../../test/support/nginx.ts'
import type { CpuPlan } from './cpus.ts'

/** The origin of every scenario: nginx, TLS 1.3 only, HTTP/1.1, connections that live as long as the run. */
export function startBenchOrigin(cpus: CpuPlan): Promise<Nginx> {
  return startNginx({
    tlsProtocols: ['TLSv1.3'],
    keepaliveRequests: 1_000_000_000,
    keepaliveTimeout: '600s',
    cpu: cpus.origin,
  })
}
