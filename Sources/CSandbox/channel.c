// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "CSandbox.h"

int cs_socket_pair(int *pair) { return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair); }

int cs_send(int socket, const void *bytes, size_t count, const int *descriptors,
            int descriptor_count) {
  if (descriptor_count > cs_max_descriptors) {
    errno = EINVAL;
    return -1;
  }
  const char *rest = bytes;
  while (count > 0) {
    struct iovec part = {.iov_base = (void *)rest, .iov_len = count};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union {
      struct cmsghdr header;
      char space[CMSG_SPACE(cs_max_descriptors * sizeof(int))];
    } control;
    if (descriptor_count > 0) {
      memset(&control, 0, sizeof control);
      message.msg_control = &control;
      message.msg_controllen = CMSG_SPACE((size_t)descriptor_count * sizeof(int));
      struct cmsghdr *header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN((size_t)descriptor_count * sizeof(int));
      memcpy(CMSG_DATA(header), descriptors, (size_t)descriptor_count * sizeof(int));
    }
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      return -1;
    }
    descriptor_count = 0;
    rest += sent;
    count -= (size_t)sent;
  }
  return 0;
}

ssize_t cs_receive(int socket, void *bytes, size_t count, int *descriptors,
                   int *descriptor_count) {
  *descriptor_count = 0;
  struct iovec part = {.iov_base = bytes, .iov_len = count};
  union {
    struct cmsghdr header;
    char space[CMSG_SPACE(cs_max_descriptors * sizeof(int))];
  } control;
  struct msghdr message = {.msg_iov = &part,
                           .msg_iovlen = 1,
                           .msg_control = &control,
                           .msg_controllen = sizeof control};
  ssize_t received;
  do {
    received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (received < 0 && errno == EINTR);
  if (received < 0) return -1;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t came = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < came; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
      if (*descriptor_count < cs_max_descriptors) {
        descriptors[(*descriptor_count)++] = descriptor;
      } else {
        close(descriptor);
      }
    }
  }
  return received;
}
