import { ERROR_CODES, type TransportError } from '../base/errors.ts'

/**
 * This side failed, or whoever the request comes from: a service's client is remote as well, and what it does
 * wrong is answered with 4xx.
 */
export function isOfCaller({ fault, code }: TransportError): boolean {
  return fault === 'local' || ERROR_CODES[code].status < 500
}

/** The peer or the way to it failed. */
export function speaksAgainstLane(error: TransportError): boolean {
  return !isOfCaller(error) && error.code !== 'MM_REFUSED'
}
