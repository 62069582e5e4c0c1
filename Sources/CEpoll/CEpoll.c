// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CEpoll.h"

#include <pthread.h>
#include <stdio.h>

enum { most_events = 128 };

int ce_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int control(int epoll, int operation, int descriptor, uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data = {.u64 = tag}};
  return epoll_ctl(epoll, operation, descriptor, &event);
}

int ce_epoll_add(int epoll, int descriptor, uint32_t events, uint64_t tag) {
  return control(epoll, EPOLL_CTL_ADD, descriptor, events, tag);
}

int ce_epoll_modify(int epoll, int descriptor, uint32_t events, uint64_t tag) {
  return control(epoll, EPOLL_CTL_MOD, descriptor, events, tag);
}

int ce_epoll_remove(int epoll, int descriptor) {
  return control(epoll, EPOLL_CTL_DEL, descriptor, 0, 0);
}

int ce_epoll_wait(int epoll, ce_event *out, int capacity, int timeout_milliseconds) {
  struct epoll_event ready[most_events];
  int n = epoll_wait(epoll, ready, capacity < most_events ? capacity : most_events,
                     timeout_milliseconds);
  for (int i = 0; i < n; i++) {
    out[i] = (ce_event){.tag = ready[i].data.u64, .events = ready[i].events};
  }
  return n;
}

int ce_eventfd_create(void) { return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); }

int ce_socket(int family) { return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0); }

int ce_accept(int listener, struct sockaddr_storage *peer, socklen_t *length) {
  return accept4(listener, (struct sockaddr *)peer, length, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

long ce_send(int descriptor, const void *bytes, unsigned long count) {
  return send(descriptor, bytes, count, MSG_NOSIGNAL);
}

void ce_name_thread(const char *name) {
  char kept[16];
  snprintf(kept, sizeof kept, "%s", name);
  pthread_setname_np(pthread_self(), kept);
}
