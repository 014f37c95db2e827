// `node scripts/glossary.mjs`: fails on words of our own where the field has a standard term.
// docs/glossary.md explains the terms.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { root } from './setup.mjs'

/** What is not to be written, any case, and what stands for it. */
const STANDARD_TERMS = [
  ['answer ?patience', 'hedge delay'],
  ['ballot', 'decision input'],
  ['bounded ?look', 'probe with timeout'],
  ['bystander', 'control client'],
  ['cold ?way', 'planColdStart, path'],
  ['deliberation', 'selection policy'],
  ['farewells?', 'linger'],
  ['fast ?open ?book', 'FastOpenBreakers'],
  ['fate ?stream', 'packet loss model'],
  ['first helpings?', 'provisional'],
  ['lane ?(?:seat|standing)s?', 'lane snapshot'],
  ['hears', 'is notified, receives'],
  ['heard? of', 'is notified of, receives'],
  ['last words', 'last bytes, linger, drain on EPIPE'],
  ['narrow places?', 'bottleneck'],
  ['nudge[ds]?', 'path-bounce workaround'],
  ['origin ?shelf', 'origin record store'],
  ['path ?visits?', 'path-bounce workaround'],
  ['process ?hold', 'event-loop reference'],
  ['purses?', 'budget'],
  ['second ?try', 'hedged request, second copy'],
  ['signs? of life', 'liveness probe, proof of liveness'],
  ['silence ?watch', 'dead peer detector'],
  ['silent peers?', 'unresponsive peer'],
  ['sleepers?', 'stalled reader'],
  ['stillborn', 'closed on open'],
  ['stragglers?', 'retired paths, late packets'],
  ['surplus ?watchdog', 'unread data guard'],
  ['tells? of', 'reports'],
  [
    '(?:is|are|was|were|be|been) (?:not |only |now )?told(?! (?:to|apart|from|otherwise|so|by)(?![a-z]))',
    'is notified, receives, is reported (told to, told apart are English)',
  ],
  ['ticket ?vault', 'sealed ticket store'],
  ['travell?ers?', 'waiter'],
  ['wayof', 'selectLane'],
  ['worn out', 'retired'],
]
const PATTERNS = STANDARD_TERMS.map(([word, term]) => [new RegExp(`(?<![a-z])${word}(?![a-z])`, 'i'), term])

/** Every coined word in these texts, given as [path, text]: `src/a.ts:3: "purse": say budget`. */
export function coinedWords(texts) {
  return texts.flatMap(([path, text]) =>
    text.split('\n').flatMap((line, index) =>
      PATTERNS.flatMap(([pattern, term]) => {
        const match = pattern.exec(line)
        return match === null ? [] : [`${path}:${index + 1}: ${JSON.stringify(match[0])}: say ${term}`]
      }),
    ),
  )
}

/** History, figures that were stored, and the words themselves. */
const LEFT_OUT =
  /^(?:CHANGELOG\.md|bench\/results\/|docs\/glossary\.md|scripts\/glossary\.mjs|test\/unit\/conventions\/glossary\.test\.ts)/

/** All source and text files of the project, as git knows them. */
function projectTexts() {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    encoding: 'utf8',
  })
  return list
    .split('\n')
    .filter(path => /\.(?:ts|mjs|c|md)$/.test(path) && !LEFT_OUT.test(path) && existsSync(join(root, path)))
    .map(path => [path, readFileSync(join(root, path), 'utf8')])
}

if (process.argv[1] !== undefined && resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const found = coinedWords(projectTexts())
  for (const line of found) console.error(line)
  process.exitCode = found.length === 0 ? 0 : 1
}
