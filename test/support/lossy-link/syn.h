/* A packet that asks for a connection: IPv4, TCP, SYN without ACK. */
#ifndef SYN_H
#define SYN_H

struct syn {
  int data;          /* bytes behind the headers */
  int has_fast_open; /* RFC 7413, 4.1.1; with a cookie, or empty to ask for one */
};

enum { PROTOCOL_TCP = 6, FLAG_SYN = 0x02, FLAG_ACK = 0x10, OPTION_END = 0, OPTION_NONE = 1, OPTION_FAST_OPEN = 34 };

/* True when it is one. Reads nothing beyond `length`, whatever the packet says of itself. */
static int parse_syn(const unsigned char *packet, int length, struct syn *syn) {
  if (length < 20 || packet[0] >> 4 != 4 || packet[9] != PROTOCOL_TCP) return 0;
  int ip = (packet[0] & 15) * 4, total = packet[2] << 8 | packet[3];
  if (total > length || ip < 20 || ip + 20 > total) return 0;
  const unsigned char *tcp = packet + ip;
  int head = (tcp[12] >> 4) * 4;
  if (head < 20 || ip + head > total || (tcp[13] & (FLAG_SYN | FLAG_ACK)) != FLAG_SYN) return 0;
  *syn = (struct syn){.data = total - ip - head};
  for (int i = 20; i < head && tcp[i] != OPTION_END;) {
    if (tcp[i] == OPTION_NONE) {
      i++;
      continue;
    }
    if (i + 1 >= head || tcp[i + 1] < 2) break;
    if (tcp[i] == OPTION_FAST_OPEN) syn->has_fast_open = 1;
    i += tcp[i + 1];
  }
  return 1;
}

#endif
