/**
 * Why we break a stream off, where HTTP/2 (RFC 9113 7) and HTTP/3 (RFC 9114 8.1) have a code for the same:
 * NO_ERROR, CANCEL and H3_REQUEST_CANCELLED, INTERNAL_ERROR, ENHANCE_YOUR_CALM and H3_EXCESSIVE_LOAD.
 */
export type ResetCode = 'NO_ERROR' | 'CANCEL' | 'INTERNAL_ERROR' | 'ENHANCE_YOUR_CALM'
