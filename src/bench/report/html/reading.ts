import { MIN_ROUNDS_FOR_INTERVAL } from '../../results/estimates.ts'
import { type Markup, markup } from './markup.ts'

/** How the charts are to be read, once for all of them. */
export const READING: Markup = markup`<section class="appendix reading" aria-labelledby="reading"><h2 id="reading">How to read this</h2>
<ul class="notes">
<li>Subjects are measured in turns, round by round. A median is over rounds, which are independent of each other; the requests within a round are not.</li>
<li>An interval is one of the order statistics of the rounds: free of any assumed distribution, and true at least 95 times out of 100. With fewer than ${MIN_ROUNDS_FOR_INTERVAL} rounds there is none.</li>
<li>Ratios are taken within a round, then their median: what disturbed the machine disturbed both. Where the interval holds 1, no difference was shown; that is not the same as none.</li>
<li>Of many comparisons, one in twenty without a difference would still show one.</li>
<li>In bars: a dot is a round, the thin line reaches from the least to the most, the thick line is the 95\u2009% interval. A figure that is the same in all rounds of all subjects has no chart.</li>
<li>A dash stands for what could not be told.</li>
</ul></section>`
