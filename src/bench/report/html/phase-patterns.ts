import { type Markup, markup } from './markup.ts'

/**
 * Hatches that tell phases apart without color; once a page, since charts refer to them by id. Not hidden by
 * `display: none`: browsers then paint nothing with them.
 */
export const PHASE_PATTERNS: Markup = markup`<svg class="patterns" width="0" height="0" aria-hidden="true"><defs>
<pattern id="p-dns" width="4" height="4" patternUnits="userSpaceOnUse"><path d="M1 1h1.4" class="hatch"/><path d="M3 3h1.4" class="hatch"/></pattern>
<pattern id="p-connect" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M-1 6L6-1" class="hatch"/></pattern>
<pattern id="p-tls" width="5" height="5" patternUnits="userSpaceOnUse"><path d="M-1 6L6-1M-1-1L6 6" class="hatch"/></pattern>
</defs></svg>`
