/*
 * TCP and UDP over a link that delays packets and loses the one that it is told to lose, or some share of them. A relay in user space can only
 * delay TCP, since the kernel on either side acknowledges what the relay has read; here the segment itself is lost, and the kernels have to
 * find that out.
 *
 * Two network namespaces without a name, each with one TUN device; what one sends is read here and written to the other, later. They go
 * when this process goes. `open PORT` makes a way through: whoever connects to the port that is answered is carried over a TCP connection
 * between the namespaces, and on to 127.0.0.1:PORT:
 *
 *   client -> 127.0.0.1:answered | 10.78.0.1 == the link == 10.78.0.2 | -> 127.0.0.1:PORT
 *
 * Whole programs can live at either end instead, and their own TCP crosses the link: `namespaces` tells the file descriptors that are the
 * namespaces, for nsenter --net=/proc/PID/fd/N.
 *
 * Commands, a line each, are answered by a line each:
 *   delay MS               one way, for packets that come from now on
 *   open PORT              answers the port
 *   drop DIRECTION N MIN   loses the N-th packet of at least MIN bytes that comes from now on (1: the next); 0: none. DIRECTION: 0 to the
 *                          server, 1 to the client
 *   loss RATE SEED         from now on loses this share (0 to 1) of the packets, in each direction by itself. Which ones is a matter of their
 *                          number since this command and of the seed alone
 *   filter NAME            loses from now on, beside all that: `syn-data` each SYN that carries data, `syn-fast-open` each with the option of Fast
 *                          Open (RFC 7413, whether it asks for a cookie or has one), `all` everything, `none` nothing more
 *   fastopen END VALUE     net.ipv4.tcp_fastopen of that namespace. END: 0 the client's, 1 the server's
 *   syns                   SYNs to the server, those with the option, those with data, the data of all and the most that one had (what was lost is counted)
 *   namespaces             the client's and the server's, as file descriptors of this process
 *   bytes                  bytes of packets to the server and to the client, headers of IP and those that were lost included
 *   counts                 packets to the server, packets to the client, packets lost
 *
 * Needs root and /dev/net/tun. cc -O2 -o lossy-link lossy-link.c
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include "syn.h"

enum { MTU = 1500, QUEUE = 8192, MAX_WAYS = 16, MAX_SPLICES = 256, PIECE = 65536 };

struct packet {
  uint64_t due;
  int length;
  unsigned char bytes[MTU];
};

enum filter { NONE, SYN_DATA, SYN_FAST_OPEN, ALL };
static const char *const filter_names[] = {"none", "syn-data", "syn-fast-open", "all"};

/* What travels one way. */
struct direction {
  struct packet *queue;
  unsigned head, count;
  uint64_t packets, bytes;
  long drop_after;
  int drop_min;
  uint64_t random; /* the state of SplitMix64 */
};

/* A listener towards clients, the one in the far namespace, and where it leads. */
struct way {
  int near, far;
  struct sockaddr_in far_address, origin;
};

/* Bytes of one socket to the other; each connection has two, one for each namespace, with both ways in each. */
struct splice {
  int fd[2];
  int is_ended[2]; /* has been read to its end, and the other told so */
  int held[2], from[2];
  char *bytes[2];
};

static struct direction directions[2];
static struct way ways[MAX_WAYS];
static struct splice splices[MAX_SPLICES];
static int way_count, splice_count, namespaces[3]; /* the client's, the server's, and that of everybody else */
static uint64_t delay, lost;
static double loss;
static enum filter filter;
static struct {
  uint64_t count, with_option, with_data, data;
  int most_data;
} syns; /* to the server */

static void die(const char *what) {
  perror(what);
  exit(1);
}

static uint64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static struct sockaddr_in address(const char *host, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, host, &a.sin_addr);
  return a;
}

/* Evenly from 0 to 1: SplitMix64 (Steele, Lea, Flood 2014), whose upper 53 bits fill a double. */
static double next_random(uint64_t *state) {
  uint64_t z = *state += 0x9e3779b97f4a7c15;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
  z = (z ^ z >> 27) * 0x94d049bb133111eb;
  return ((z ^ z >> 31) >> 11) * 0x1p-53;
}

/* A setting of the namespace that we are in. */
static void set(const char *path, const char *value) {
  int f = open(path, O_WRONLY | O_CLOEXEC);
  if (f < 0 && errno == ENOENT) return; /* a kernel without IPv6 */
  if (f < 0 || write(f, value, strlen(value)) < 0) die(path);
  close(f);
}

/* Leaves for a new namespace with one TUN device. */
static int new_namespace(const char *host, int *tun) {
  if (unshare(CLONE_NEWNET)) die("unshare");
  /* Else a connection would begin with what the one before it has learned of the way, its losses included. */
  set("/proc/sys/net/ipv4/tcp_no_metrics_save", "1");
  /* Else the kernel looks for routers and neighbors, and takes its turn among the packets that are counted and lost. */
  set("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
  *tun = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (*tun < 0) die("/dev/net/tun");
  struct ifreq r = {.ifr_name = "link", .ifr_flags = IFF_TUN | IFF_NO_PI};
  if (ioctl(*tun, TUNSETIFF, &r)) die("TUNSETIFF");
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  *(struct sockaddr_in *)&r.ifr_addr = address(host, 0);
  if (ioctl(s, SIOCSIFADDR, &r)) die("SIOCSIFADDR");
  *(struct sockaddr_in *)&r.ifr_netmask = address("255.255.255.0", 0);
  if (ioctl(s, SIOCSIFNETMASK, &r)) die("SIOCSIFNETMASK");
  r.ifr_qlen = QUEUE;
  if (ioctl(s, SIOCSIFTXQLEN, &r)) die("SIOCSIFTXQLEN");
  r.ifr_flags = IFF_UP | IFF_RUNNING;
  if (ioctl(s, SIOCSIFFLAGS, &r)) die("SIOCSIFFLAGS");
  struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  if (ioctl(s, SIOCSIFFLAGS, &loopback)) die("SIOCSIFFLAGS");
  close(s);
  return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* A TCP socket that belongs to that namespace, whatever this process does later. */
static int tcp_socket(int namespace) {
  int one = 1;
  setns(namespaces[namespace], CLONE_NEWNET);
  int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  setns(namespaces[2], CLONE_NEWNET);
  if (s < 0) die("socket");
  setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return s;
}

static int listener(int namespace, const char *host, struct sockaddr_in *bound) {
  int s = tcp_socket(namespace);
  *bound = address(host, 0);
  socklen_t length = sizeof *bound;
  if (bind(s, (struct sockaddr *)bound, length) || listen(s, 128)) die("listen");
  getsockname(s, (struct sockaddr *)bound, &length);
  return s;
}

static void open_way(int port) {
  if (way_count == MAX_WAYS) exit(1);
  struct way *w = &ways[way_count++];
  struct sockaddr_in near_address;
  w->near = listener(2, "127.0.0.1", &near_address);
  w->far = listener(1, "10.78.0.2", &w->far_address);
  w->origin = address("127.0.0.1", port);
  printf("%d\n", ntohs(near_address.sin_port));
}

static void new_splice(int accepted, int namespace, struct sockaddr_in *to) {
  if (splice_count == MAX_SPLICES) exit(1);
  int one = 1, s = tcp_socket(namespace);
  setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (connect(s, (struct sockaddr *)to, sizeof *to) && errno != EINPROGRESS) die("connect");
  struct splice *p = &splices[splice_count++];
  *p = (struct splice){.fd = {accepted, s}, .bytes = {malloc(PIECE), malloc(PIECE)}};
}

/* False when it is over. */
static int run_splice(struct splice *p, const struct pollfd *polled) {
  for (int i = 0; i < 2; i++) {
    if (polled[i].revents & (POLLERR | POLLNVAL)) return 0;
    if (!p->is_ended[i] && p->held[i] == 0 && polled[i].revents & (POLLIN | POLLHUP)) {
      int n = read(p->fd[i], p->bytes[i], PIECE);
      if (n < 0 && errno != EAGAIN) return 0;
      p->from[i] = 0;
      if (n > 0) p->held[i] = n;
      if (n == 0) {
        p->is_ended[i] = 1;
        shutdown(p->fd[1 - i], SHUT_WR);
      }
    }
    if (p->held[i] > 0) {
      int n = write(p->fd[1 - i], p->bytes[i] + p->from[i], p->held[i]);
      if (n < 0 && errno != EAGAIN && errno != ENOTCONN) return 0;
      if (n > 0) p->held[i] -= n, p->from[i] += n;
    }
  }
  return !(p->is_ended[0] && p->is_ended[1]);
}

static void end_splice(int index) {
  for (int i = 0; i < 2; i++) close(splices[index].fd[i]), free(splices[index].bytes[i]);
  splices[index] = splices[--splice_count];
}

/* Whether the filter loses it. Counts what asks for a connection. */
static int is_filtered(const unsigned char *packet, int length, int is_to_server) {
  struct syn syn;
  int is_syn = parse_syn(packet, length, &syn);
  if (is_syn && is_to_server) {
    syns.count++;
    syns.with_option += syn.has_fast_open;
    syns.with_data += syn.data > 0;
    syns.data += syn.data;
    if (syn.data > syns.most_data) syns.most_data = syn.data;
  }
  if (filter == ALL) return 1;
  return is_syn && ((filter == SYN_DATA && syn.data > 0) || (filter == SYN_FAST_OPEN && syn.has_fast_open));
}

static void take_packets(int tun, struct direction *d) {
  unsigned char bytes[MTU];
  for (int n; (n = read(tun, bytes, sizeof bytes)) > 0;) {
    d->packets++;
    d->bytes += n;
    int is_lost = loss > 0 && next_random(&d->random) < loss;
    if (d->drop_after > 0 && n >= d->drop_min && --d->drop_after == 0) is_lost = 1;
    is_lost |= is_filtered(bytes, n, d == &directions[0]);
    if (is_lost) {
      lost++;
      continue;
    }
    if (d->count == QUEUE) continue; /* a router with a full queue */
    struct packet *p = &d->queue[(d->head + d->count++) % QUEUE];
    p->due = now() + delay;
    p->length = n;
    memcpy(p->bytes, bytes, n);
  }
}

static void deliver_packets(int tun, struct direction *d, uint64_t time) {
  for (; d->count > 0 && d->queue[d->head].due <= time; d->count--, d->head = (d->head + 1) % QUEUE)
    if (write(tun, d->queue[d->head].bytes, d->queue[d->head].length) < 0 && errno != EAGAIN) die("write");
}

static void command(const char *line) {
  double ms, rate;
  int direction, min;
  long n;
  uint64_t seed;
  char word[16];
  if (sscanf(line, "delay %lf", &ms) == 1) {
    delay = ms * 1e6;
    printf("ok\n");
  } else if (sscanf(line, "open %d", &min) == 1) {
    open_way(min);
  } else if (sscanf(line, "loss %lf %lu", &rate, &seed) == 2) {
    loss = rate;
    for (int i = 0; i < 2; i++) directions[i].random = seed * 2 + i;
    printf("ok\n");
  } else if (sscanf(line, "filter %15s", word) == 1) {
    for (int i = NONE; i <= ALL; i++)
      if (strcmp(word, filter_names[i]) == 0) filter = i;
    printf("%s\n", filter_names[filter]);
  } else if (sscanf(line, "fastopen %d %15s", &direction, word) == 2 && (direction & ~1) == 0) {
    if (setns(namespaces[direction], CLONE_NEWNET)) die("setns");
    set("/proc/sys/net/ipv4/tcp_fastopen", word);
    if (setns(namespaces[2], CLONE_NEWNET)) die("setns");
    printf("ok\n");
  } else if (strcmp(line, "syns") == 0) {
    printf("%lu %lu %lu %lu %d\n", syns.count, syns.with_option, syns.with_data, syns.data, syns.most_data);
  } else if (strcmp(line, "namespaces") == 0) {
    printf("%d %d\n", namespaces[0], namespaces[1]);
  } else if (sscanf(line, "drop %d %ld %d", &direction, &n, &min) == 3 && (direction & ~1) == 0) {
    directions[direction].drop_after = n;
    directions[direction].drop_min = min;
    printf("ok\n");
  } else if (strcmp(line, "bytes") == 0) {
    printf("%lu %lu\n", directions[0].bytes, directions[1].bytes);
  } else {
    printf("%lu %lu %lu\n", directions[0].packets, directions[1].packets, lost);
  }
  fflush(stdout);
}

static void read_commands(void) {
  static char text[1024];
  static int length;
  int n = read(0, text + length, sizeof text - 1 - length);
  if (n <= 0) exit(0); /* who started us is gone */
  length += n;
  text[length] = 0;
  for (char *end; (end = strchr(text, '\n')) != NULL;) {
    *end = 0;
    command(text);
    length -= end + 1 - text;
    memmove(text, end + 1, length + 1);
  }
}

/* How long until the next packet is due; NULL: there is none. Finer than poll's milliseconds, which would be a fortieth of a short way. */
static struct timespec *until_due(struct timespec *wait) {
  uint64_t first = UINT64_MAX, time = now();
  for (int i = 0; i < 2; i++)
    if (directions[i].count > 0 && directions[i].queue[directions[i].head].due < first)
      first = directions[i].queue[directions[i].head].due;
  if (first == UINT64_MAX) return NULL;
  uint64_t left = first <= time ? 0 : first - time;
  *wait = (struct timespec){.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
  return wait;
}

int main(void) {
  int tun[2];
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  prctl(PR_SET_TIMERSLACK, 1);
  /* The way must not wait for who uses it. Where it may not have that, packets are a little later on a busy machine. */
  sched_setscheduler(0, SCHED_RR, &(struct sched_param){.sched_priority = 10});
  signal(SIGPIPE, SIG_IGN);
  namespaces[2] = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  namespaces[0] = new_namespace("10.78.0.1", &tun[0]);
  namespaces[1] = new_namespace("10.78.0.2", &tun[1]);
  if (setns(namespaces[2], CLONE_NEWNET)) die("setns");
  for (int i = 0; i < 2; i++) directions[i].queue = malloc(QUEUE * sizeof(struct packet));
  printf("up\n");
  fflush(stdout);
  for (;;) {
    static struct pollfd fds[3 + 2 * MAX_WAYS + 2 * MAX_SPLICES];
    int count = 3, known_ways = way_count, known_splices = splice_count;
    fds[0] = (struct pollfd){0, POLLIN, 0};
    for (int i = 0; i < 2; i++) fds[1 + i] = (struct pollfd){tun[i], POLLIN, 0};
    for (int i = 0; i < known_ways; i++) {
      fds[count++] = (struct pollfd){ways[i].near, POLLIN, 0};
      fds[count++] = (struct pollfd){ways[i].far, POLLIN, 0};
    }
    for (int i = 0; i < known_splices; i++) {
      struct splice *p = &splices[i];
      for (int j = 0; j < 2; j++) {
        short events = (p->held[j] == 0 && !p->is_ended[j] ? POLLIN : 0) | (p->held[1 - j] > 0 ? POLLOUT : 0);
        /* A socket that wants nothing would report its hang-up again and again. */
        fds[count++] = (struct pollfd){events == 0 ? -1 : p->fd[j], events, 0};
      }
    }
    struct timespec wait;
    if (ppoll(fds, count, until_due(&wait), NULL) < 0 && errno != EINTR) die("ppoll");
    for (int i = 0; i < 2; i++) take_packets(tun[i], &directions[i]);
    for (int i = known_splices - 1; i >= 0; i--)
      if (!run_splice(&splices[i], &fds[3 + 2 * known_ways + 2 * i])) end_splice(i);
    for (int i = 0; i < known_ways; i++) {
      int s;
      if (fds[3 + 2 * i].revents & POLLIN && (s = accept4(ways[i].near, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        new_splice(s, 0, &ways[i].far_address);
      if (fds[4 + 2 * i].revents & POLLIN && (s = accept4(ways[i].far, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        new_splice(s, 2, &ways[i].origin);
    }
    uint64_t time = now();
    for (int i = 0; i < 2; i++) deliver_packets(tun[1 - i], &directions[i], time);
    if (fds[0].revents) read_commands();
  }
}
