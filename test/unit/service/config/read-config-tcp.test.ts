import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'

let directory: string

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'mm-config-'))
  const { cert, key } = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
  writeFileSync(join(directory, 'cert.pem'), cert)
  writeFileSync(join(directory, 'key.pem'), key)
})

function faults(text: string): string[] {
  const read = readConfigText(text, directory)
  return read.ok ? [] : read.faults.map(fault => formatFault(fault))
}

const withOrigin = (origin: string) => `listen: [{ address: :80 }]\norigins:\n  a: ${origin}\n`

describe('the configuration of TCP', () => {
  it('has Fast Open of listeners and of origins, early data over TCP, groups, and all options of a socket', () => {
    const read = readConfigText(
      `
listen: [{ address: 127.0.0.1:0, tls: { cert: cert.pem, key: key.pem }, fastOpen: 256 }]
defaults:
  tfo: auto
  earlyDataOverTcp: true
  timeouts: { fastOpen: 1.5s }
  tls: { groups: "X25519:P-256" }
  socket:
    { keepAliveDelay: 1m, keepAliveInterval: 5s, keepAliveProbes: 4, userTimeout: 20s, notSentLowWaterBytes: 128KiB, congestionControl: bbr }
origins:
  a: { url: https://a, hosts: [a], tfo: on, earlyDataOverTcp: false }
  b: { url: https://b, hosts: [b], tfo: off }
  c: { url: https://c, hosts: [c], tfo: true }
  d: { url: https://d, hosts: [d], tfo: false }
`,
      directory,
    )
    if (!read.ok) throw new Error(read.faults.map(fault => formatFault(fault)).join('\n'))
    const { settings } = read
    expect(settings.listen).toMatchObject([{ fastOpen: 256 }])
    expect(settings.transport.defaults).toEqual({
      tfo: 'auto',
      earlyDataOverTcp: true,
      timeouts: { fastOpenMs: 1_500 },
      tls: { groups: 'X25519:P-256' },
      socket: {
        keepAliveDelayMs: 60_000,
        keepAliveIntervalMs: 5_000,
        keepAliveProbes: 4,
        userTimeoutMs: 20_000,
        notSentLowWaterBytes: 131_072,
        congestionControl: 'bbr',
      },
    })
    expect(settings.transport.origins).toEqual({
      'https://a': { tfo: 'on', earlyDataOverTcp: false },
      'https://b': { tfo: 'off' },
      'https://c': { tfo: 'on' },
      'https://d': { tfo: 'off' },
    })
  })

  it.each([
    [
      'Fast Open that cannot be',
      'listen: [{ address: :80, fastOpen: 256 }, { address: :81, fastOpen: on }, { address: :82, fastOpn: 1 }, { address: :83, fastOpen: 1.5 }]\norigins: { a: { url: http://a } }',
      [
        '1:36: listen[0].fastOpen: needs tls: the data of a SYN can be delivered twice, and without tls that is a request made twice (RFC 7413 section 6.1)',
        '1:69: listen[1].fastOpen: must be a number, not "on"',
        '1:91: listen[2].fastOpn: unknown key; did you mean "fastOpen"?',
        '1:131: listen[3].fastOpen: must be a whole number, not 1.5',
      ],
    ],
    [
      'options of the socket, of TLS and of timeouts that cannot be, or are misspelled',
      withOrigin(
        '{ url: https://a, socket: { keepAliveInterval: 40000s, keepAliveProbes: 128, userTimeoutMs: 1, congestionControl: "CUBIC!" }, tls: { group: X25519 }, timeouts: { fastOpn: 1s } }',
      ),
      [
        '3:53: origins.a.socket.keepAliveInterval: must be at most 32767000 ms, not 40000000 ms',
        '3:78: origins.a.socket.keepAliveProbes: must be at most 127, not 128',
        '3:83: origins.a.socket.userTimeoutMs: unknown key; did you mean "userTimeout"?',
        '3:120: origins.a.socket.congestionControl: must be a name such as cubic, of up to 15 lower-case letters, digits, - and _',
        '3:139: origins.a.tls.group: unknown key; did you mean "groups"?',
        '3:168: origins.a.timeouts.fastOpn: unknown key; did you mean "fastOpen"?',
      ],
    ],
    [
      'a longest pause that the kernel refuses, and not one that is left to it',
      'listen: [{ address: :80 }]\ndefaults: { socket: { retransmitMax: 0 } }\norigins: { a: { url: https://a, hosts: [a], socket: { retransmitMax: 500ms } }, b: { url: https://b, hosts: [b], socket: { retransmitMax: 1s } } }',
      ['3:70: origins.a.socket.retransmitMax: must be 0 or at least 1000 ms, not 500 ms'],
    ],
    [
      'groups that OpenSSL does not know',
      withOrigin('{ url: https://a, tls: { groups: "X25519:P-257" } }'),
      ['3:29: origins.a.tls: TLS cannot use this: Failed to set ECDH curve'],
    ],
  ])('is refused with its place: %s', (_what, text, expected) => {
    expect(faults(text)).toEqual(expected)
  })

  it('has client certificates of a listener over TCP, with the authorities that vouch for them', () => {
    const listen = (tls: string, more = '') =>
      `listen: [{ address: :80, tls: { cert: cert.pem, key: key.pem, ${tls} }${more} }]\norigins: { a: { url: http://a } }`
    const read = readConfigText(listen('clientCa: cert.pem, clientCertificates: ask'), directory)
    expect(read.ok && read.settings.listen[0]?.tls).toMatchObject({ clientCertificates: 'ask' })
    expect(faults(listen('clientCertificates: ask'))).toEqual([
      expect.stringMatching(/listen\[0\]\.tls\.clientCertificates: needs clientCa$/),
    ])
    const h3 = ', protocols: [h3, h2]'
    expect(faults(listen('clientCa: cert.pem', h3))).toEqual([])
    expect(faults(listen('clientCa: cert.pem, clientCertificates: ask', h3))).toEqual([
      expect.stringMatching(
        /listen\[0\]\.tls: clientCertificates: ask is of TCP: with h3 a certificate can only be required$/,
      ),
    ])
    expect(faults(listen('clientCa: cert.pem', `${h3}, http3: { earlyData: safe }`))).toEqual([
      expect.stringMatching(/listen\[0\]\.http3: earlyData goes without clientCa/),
    ])
  })

  it('is several certificates of a listener, in place of the one', () => {
    const listen = (tls: string, more = '') =>
      `listen: [{ address: :80, tls: { ${tls} }${more} }]\norigins: { a: { url: http://a } }`
    const pair = '{ cert: cert.pem, key: key.pem }'
    const read = readConfigText(listen(`certificates: [${pair}, ${pair}], unknownNames: refuse`), directory)
    expect(read.ok && read.settings.listen[0]?.tls).toMatchObject({
      unknownNames: 'refuse',
      certificates: [
        { files: { cert: expect.stringMatching(/cert\.pem$/), key: expect.stringMatching(/key\.pem$/) } },
        { cert: expect.stringContaining('BEGIN CERTIFICATE') },
      ],
    })
    expect(faults(listen('cert: cert.pem'))).toEqual([
      expect.stringMatching(/listen\[0\]\.tls\.key: missing: a string is needed$/),
    ])
    expect(faults(listen(`cert: cert.pem, key: key.pem, certificates: [${pair}]`))).toEqual([
      expect.stringMatching(/listen\[0\]\.tls\.certificates: goes without cert and key$/),
    ])
    expect(faults(listen('certificates: [{ cert: key.pem, key: key.pem }]'))).toEqual([
      expect.stringMatching(/listen\[0\]\.tls\.certificates\[0\]: TLS cannot use this/),
    ])
  })
})
