import { readFile } from 'node:fs/promises'
import { platform } from 'node:os'
import type { Finding } from '../select/probe/probe-report.ts'

const SETTING = '/proc/sys/net/ipv4/tcp_fastopen'
/** Bit 0 of the setting (Linux, Documentation/networking/ip-sysctl.rst): connects may send data, and ask for cookies. */
const CLIENT = 1

/**
 * Whether the kernel has a cookie for TCP Fast Open (RFC 7413) cannot be seen from here: Node sets neither TCP_FASTOPEN_CONNECT nor
 * MSG_FASTOPEN, so that it never asks for one, and the kernel tells of those it has over netlink only (`ip tcp_metrics show`), which Node
 * does not speak. The counters in /proc/net/netstat are sums over all peers. So this says what the kernel would let us do.
 */
export async function fastOpenCookie(
  settingFile: string = SETTING,
): Promise<Finding<{ readonly cookie: boolean }>> {
  const because = 'Node cannot ask for Fast Open, and the kernel shows its cookies to native code only'
  if (platform() !== 'linux') return { skipped: because }
  let setting: number
  try {
    setting = Number(await readFile(settingFile, 'latin1'))
  } catch {
    return { skipped: `${because}; net.ipv4.tcp_fastopen cannot be read` }
  }
  if (!Number.isInteger(setting)) return { skipped: `${because}; net.ipv4.tcp_fastopen cannot be read` }
  const allowed = (setting & CLIENT) === 0 ? 'forbids it to clients' : 'allows it to clients'
  return { skipped: `${because}; this kernel ${allowed} (net.ipv4.tcp_fastopen is ${setting})` }
}
