import { type Markup, markup } from './markup.ts'
import { SUBJECT_COLORS } from './subject-look.ts'

/** What is behind everything, and what text is set in. */
export const PAPER = { light: '#ffffff', dark: '#14161a' } as const

const subjectColors = (theme: 'light' | 'dark'): Markup =>
  markup`${SUBJECT_COLORS.map((color, i) => markup`--c${i}:${color[theme]};`)}`

const subjectRules = markup`${SUBJECT_COLORS.map((_, i) => markup`.c${i}{--own:var(--c${i})}`)}`

/** Print: one ink, so that hatches, dashes and markers do the telling. */
const inkOnly = markup`${SUBJECT_COLORS.map((_, i) => markup`--c${i}:#000;`)}`

/** One sheet for screen (light and dark), phone and paper. Fonts are those that the reader has. */
export const STYLE: Markup = markup`<style>
:root{color-scheme:light dark;--paper:${PAPER.light};--ink:#1c1e22;--soft:#565b64;--rule:#d5d8dd;--faint:#f4f5f7;--link:#0b5fa5;--bad:#a8201a;${subjectColors('light')}
--serif:"Iowan Old Style","Palatino Linotype",Palatino,Charter,Georgia,"DejaVu Serif",serif;--sans:system-ui,"Segoe UI","Helvetica Neue",Arial,"DejaVu Sans",sans-serif}
@media (prefers-color-scheme:dark){:root{--paper:${PAPER.dark};--ink:#e4e6ea;--soft:#a3a9b3;--rule:#353a42;--faint:#1c1f25;--link:#7db8f0;--bad:#ff8f87;${subjectColors('dark')}}}
${subjectRules}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:1rem/1.5 var(--serif);overflow-wrap:anywhere}
main{max-width:71rem;margin:0 auto;padding:2.5rem clamp(.75rem,3vw,2rem) 4rem}
a{color:inherit;text-decoration-color:var(--link);text-underline-offset:.15em}
h1,h2,h3,h4{font-family:var(--serif);font-weight:600;line-height:1.2;text-wrap:balance}
h1{font-size:clamp(1.6rem,5vw,2.3rem);margin:.1rem 0 .6rem}
h2{font-size:1.5rem;margin:3.5rem 0 .75rem;padding-top:.75rem;border-top:2px solid var(--ink)}
h3{font-size:1.2rem;margin:2.5rem 0 .75rem}
h4{font-size:1rem;margin:1.5rem 0 .25rem}
.kicker,.facts-line{font:.85rem/1.5 var(--sans);color:var(--soft);margin:0}
.kicker{letter-spacing:.08em;text-transform:uppercase;font-size:.75rem}
.target{font-size:clamp(1.25rem,4.4vw,2.2rem)}
.verdict{font-size:1.25rem;line-height:1.4;max-width:46rem;margin:.4rem 0 1rem}
.lead{max-width:46rem;margin:.5rem 0 1rem}
.note,.hint,.also,.notes{color:var(--soft)}
.note,.notes{font:.85rem/1.5 var(--sans);max-width:52rem}
.notes{padding-left:1.2rem;margin:.25rem 0 1rem}
.summary h2{margin-top:2rem}
.summary h3{font-size:1.05rem;margin:1.25rem 0 .25rem}
.findings{margin:0;display:grid;grid-template-columns:11rem 1fr;gap:.45rem 1.25rem}
.findings dt{font-weight:600}
.findings dd{margin:0;max-width:50rem}
.findings .also{font-size:.9rem}
.warnings{font:.9rem/1.5 var(--sans);margin:1.5rem 0 0;padding:.6rem 1rem .6rem 2rem;border-left:3px solid var(--ink);background:var(--faint)}
.subject{font-weight:600}
.subject .badge{width:.7em;height:.7em;margin-right:.25em}
.scroller th{max-width:14rem;overflow-wrap:break-word}
.scroller{overflow-x:auto;margin:.75rem 0 1.25rem;max-width:100%}
table{border-collapse:collapse;font:.85rem/1.35 var(--sans);font-variant-numeric:tabular-nums lining-nums}
caption{text-align:left;font-weight:600;padding:0 0 .4rem;caption-side:top}
th,td{padding:.3rem .6rem;vertical-align:top;border-bottom:1px solid var(--rule);overflow-wrap:normal}
th:first-child{padding-left:0;text-align:left}
thead th{border-bottom:1.5px solid var(--ink);font-weight:600;vertical-align:bottom}
tbody th{font-weight:400;min-width:7rem}
.figure{text-align:right}
td.figure,td.figure small{white-space:nowrap}
.text{text-align:left}
td small{display:block;color:var(--soft);font-size:.75rem}
.met{color:var(--soft)}
.missed{color:var(--bad)}
.swatch{width:1.75rem;height:.625rem;vertical-align:baseline;overflow:visible}
.badge{overflow:visible}
.patterns{position:absolute}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,20.5rem),1fr));gap:2rem 1.75rem;margin:1.5rem 0;align-items:start}
.beside{display:grid;gap:.5rem 2.5rem;margin:1.5rem 0;align-items:start}
@media (min-width:56rem){.beside{grid-template-columns:25rem minmax(0,1fr)}}
.beside>*{min-width:0}
.beside .scroller{margin-top:0}
.charts>*{min-width:0}
.chart{margin:0;min-width:0;max-width:27rem;break-inside:avoid}
.chart figcaption{font:.85rem/1.4 var(--sans);margin-bottom:.5rem}
.chart .hint{font-size:.78rem}
.chart>svg{display:block;width:100%;height:auto;overflow:visible}
.key{list-style:none;margin:.4rem 0 0;padding:0;display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;font:.8rem/1.4 var(--sans)}
svg text{font:11px var(--sans);fill:var(--ink);font-variant-numeric:tabular-nums;unicode-bidi:isolate}
.axis text{fill:var(--soft)}
.behind{fill:var(--paper)}
.grid{stroke:var(--rule);stroke-width:1;fill:none}
.line,.step{stroke:var(--own);stroke-width:1.75;fill:none;stroke-linejoin:round}
.marker{fill:var(--own);stroke:var(--paper);stroke-width:.6}
.marker.hollow{fill:var(--paper);stroke:var(--own);stroke-width:1.4}
.bar{fill:var(--own);fill-opacity:.22}
.median{stroke:var(--own);stroke-width:2;fill:none}
.dots{stroke:var(--own);stroke-width:4;stroke-linecap:round;fill:none}
.whisker{stroke:var(--ink);stroke-width:1;fill:none}
.interval{stroke:var(--ink);stroke-width:3;fill:none}
.one{stroke:var(--ink);stroke-width:1.25;fill:none}
.area{fill:var(--own);fill-opacity:.15}
.floor{stroke:var(--soft);stroke-width:1;fill:none}
.spans{stroke:var(--own);stroke-width:1;stroke-opacity:.4;fill:none}
.failed{stroke:var(--ink);stroke-width:1.5;fill:none}
.hatch{stroke:var(--ink);stroke-width:.9;fill:none}
.phase{stroke:var(--ink);stroke-width:.8}
.queue{fill:var(--paper)}
.dns{fill:url(#p-dns)}
.connect{fill:url(#p-connect)}
.tls{fill:url(#p-tls)}
.waiting{fill:var(--ink);fill-opacity:.22}
.body{fill:var(--ink);fill-opacity:.75}
.all{columns:24rem;column-gap:2rem}
.all-rounds{width:100%;margin:0 0 1.5rem}
.all-rounds th,.facts th,.facts td{overflow-wrap:anywhere}
.all-rounds thead{display:none}
.all-rounds th[scope=rowgroup]{font-weight:600;padding-top:.7rem}
.all-rounds .rounds span{display:inline-block;min-width:3.2rem;text-align:right;white-space:nowrap}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr));gap:1.5rem 2rem;align-items:start}
.facts th{min-width:6rem;color:var(--soft)}
@media (max-width:40rem){
.scroller caption{max-width:calc(100vw - 1.5rem)}
.findings{display:block}
.findings dt{margin-top:.7rem}
.scroller{margin-right:-.75rem;max-width:none;padding-right:.75rem}
.scroller thead th:first-child,.scroller tbody th{position:sticky;left:0;background:var(--paper);z-index:1}
.scroller tbody th{min-width:6.5rem;max-width:9rem;overflow-wrap:break-word}
th,td{padding:.3rem .45rem}
}
@page{size:A4;margin:15mm 14mm}
@media print{
:root{color-scheme:light;--paper:#fff;--ink:#000;--soft:#333;--rule:#bbb;--faint:#fff;--link:#000;--bad:#000;${inkOnly}}
html{font-size:9.5pt}
main{max-width:none;padding:0}
a{text-decoration:none}
h1{font-size:20pt}
h2{font-size:14pt;break-before:page;margin-top:0}
.summary h2{break-before:auto;margin-top:6mm}
.case{break-before:page}
.scenario>.case:first-of-type{break-before:auto}
h2,h3,h4,caption{break-after:avoid}
table{font-size:7.5pt}
.beside{break-inside:avoid}
th,td{padding:1mm 1.2mm}
tbody th{min-width:0}
td small{font-size:6.5pt}
tr{break-inside:avoid}
thead{display:table-header-group}
.scroller{overflow:visible;margin:2mm 0 4mm}
.charts{grid-template-columns:repeat(2,1fr);gap:6mm 8mm}
.beside{grid-template-columns:1fr}
.beside .chart{max-width:100mm}
.line,.step{stroke-width:1.25}
.all{columns:2}
}
</style>`
