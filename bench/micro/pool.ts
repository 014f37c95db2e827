/**
 * What the pool costs a request: acquire and release of a connection that is there, through the driver.
 * Run: node --experimental-strip-types bench/micro/pool.ts (Node 22.6 and later strip types by themselves)
 */
