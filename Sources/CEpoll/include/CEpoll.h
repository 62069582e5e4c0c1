// SPDX-License-Identifier: Apache-2.0
// epoll, eventfd and a few socket calls for Swift, which cannot import the packed
// `struct epoll_event`, macros of a cast or variadic functions.
#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

// Events, in the kernel's own numbers.
static const uint32_t ce_readable = EPOLLIN;
static const uint32_t ce_writable = EPOLLOUT;
static const uint32_t ce_failed = EPOLLERR | EPOLLHUP;

// What became ready: the tag that the descriptor was registered with, and the events.
typedef struct ce_event {
  uint64_t tag;
  uint32_t events;
} ce_event;

int ce_epoll_create(void);
int ce_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag);
int ce_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag);
int ce_epoll_remove(int epoll, int descriptor);

// Waits (-1: for ever) and fills `out`. Returns how many, or -1 and errno.
int ce_epoll_wait(int epoll, ce_event *out, int capacity, int timeout_milliseconds);

int ce_eventfd_create(void);

// A non-blocking, close-on-exec stream socket of the family, or -1 and errno.
int ce_socket(int family);
// Accepts a connection as a non-blocking, close-on-exec socket, or -1 and errno.
int ce_accept(int listener, struct sockaddr_storage *peer, socklen_t *length);
// send(2) that never raises SIGPIPE.
long ce_send(int descriptor, const void *bytes, unsigned long count);

// Names the calling thread; the kernel keeps 15 bytes.
void ce_name_thread(const char *name);
