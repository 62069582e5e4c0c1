// SPDX-License-Identifier: Apache-2.0
// epoll and eventfd for Swift, which cannot import the packed `struct epoll_event`.
#pragma once
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static inline int ce_epoll_control(int epoll, int operation, int descriptor, uint32_t events, uint64_t tag) {
  struct epoll_event event = {.events = events, .data = {.u64 = tag}};
  return epoll_ctl(epoll, operation, descriptor, &event);
}
static inline uint64_t ce_tag(const struct epoll_event *event) { return event->data.u64; }
static inline uint32_t ce_events(const struct epoll_event *event) { return event->events; }
