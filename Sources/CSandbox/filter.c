// SPDX-License-Identifier: Apache-2.0
// The system call filter: a list of what is allowed, made into a BPF program. seccomp(2).
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "CSandbox.h"

#if defined(__x86_64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define THIS_ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

typedef struct program {
  struct sock_filter code[512];
  unsigned short count;
} program;

static void emit(program *p, uint16_t code, uint32_t k, uint8_t yes, uint8_t no) {
  if (p->count < sizeof p->code / sizeof *p->code)
    p->code[p->count++] = (struct sock_filter)BPF_JUMP(code, k, yes, no);
}

static void load(program *p, uint32_t offset) { emit(p, BPF_LD | BPF_W | BPF_ABS, offset, 0, 0); }

static void give(program *p, uint32_t action) { emit(p, BPF_RET | BPF_K, action, 0, 0); }

// Skips the next `count` instructions unless the accumulator is `value`.
static void unless_equal(program *p, uint32_t value, uint8_t count) {
  emit(p, BPF_JMP | BPF_JEQ | BPF_K, value, 0, count);
}

// Both machines are little-endian: the low half of an argument comes first.
static void load_argument(program *p, unsigned index) {
  load(p, (uint32_t)offsetof(struct seccomp_data, args) + 8 * index);
}

static const uint32_t refused = SECCOMP_RET_ERRNO | EPERM;

static void allow(program *p, uint32_t call) {
  unless_equal(p, call, 1);
  give(p, SECCOMP_RET_ALLOW);
}

static void answer(program *p, uint32_t call, uint32_t number) {
  unless_equal(p, call, 1);
  give(p, SECCOMP_RET_ERRNO | number);
}

// Allows the call when (argument & mask) == value, where the kernel takes the argument as an int.
static void allow_when(program *p, uint32_t call, unsigned argument, uint32_t mask,
                       uint32_t value) {
  unless_equal(p, call, 5);
  load_argument(p, argument);
  emit(p, BPF_ALU | BPF_AND | BPF_K, mask, 0, 0);
  unless_equal(p, value, 1);
  give(p, SECCOMP_RET_ALLOW);
  give(p, refused);
}

// Allows the call with one of the values.
static void allow_one_of(program *p, uint32_t call, unsigned argument, const uint32_t *values,
                         uint8_t count) {
  unless_equal(p, call, (uint8_t)(2 + 2 * count));
  load_argument(p, argument);
  for (uint8_t i = 0; i < count; i++) {
    unless_equal(p, values[i], 1);
    give(p, SECCOMP_RET_ALLOW);
  }
  give(p, refused);
}

// What computes, waits and allocates.
static const uint32_t harmless[] = {
    SYS_read, SYS_write, SYS_readv, SYS_writev, SYS_pread64, SYS_preadv, SYS_lseek, SYS_close,
    SYS_fstat, SYS_brk, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_madvise, SYS_mincore,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_rt_sigtimedwait, SYS_rt_sigsuspend,
    SYS_rt_sigpending, SYS_sigaltstack, SYS_restart_syscall, SYS_sched_yield,
    SYS_sched_getaffinity, SYS_getcpu, SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime,
    SYS_clock_getres, SYS_gettimeofday, SYS_times, SYS_getrusage, SYS_getpid, SYS_gettid,
    SYS_getppid, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_uname, SYS_sysinfo,
    SYS_getrandom, SYS_futex, SYS_set_robust_list, SYS_get_robust_list, SYS_set_tid_address,
    SYS_membarrier, SYS_exit, SYS_exit_group, SYS_pipe2, SYS_eventfd2, SYS_epoll_create1,
    SYS_epoll_ctl, SYS_epoll_pwait, SYS_ppoll, SYS_pselect6, SYS_timerfd_create,
    SYS_timerfd_settime, SYS_timerfd_gettime,
#ifdef SYS_rseq
    SYS_rseq,
#endif
#ifdef SYS_futex_waitv
    SYS_futex_waitv,
#endif
#ifdef SYS_poll
    SYS_poll, SYS_select, SYS_epoll_wait, SYS_time, SYS_getrlimit,
#endif
};

// What names a path; refused as if the file system said no, which programs expect.
static const uint32_t by_path[] = {
    SYS_openat, SYS_newfstatat, SYS_faccessat, SYS_readlinkat, SYS_getcwd, SYS_getdents64,
    SYS_statfs,
#ifdef SYS_statx
    SYS_statx,
#endif
#ifdef SYS_faccessat2
    SYS_faccessat2,
#endif
#ifdef SYS_open
    SYS_open, SYS_stat, SYS_lstat, SYS_access, SYS_readlink,
#endif
};

static void allow_paths(program *p) {
  // Opened to be read, and made by nobody. open(2).
  const uint32_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND | (O_TMPFILE & ~O_DIRECTORY);
  allow_when(p, SYS_openat, 2, writing, O_RDONLY);
#ifdef SYS_open
  allow_when(p, SYS_open, 1, writing, O_RDONLY);
#endif
  for (size_t i = 0; i < sizeof by_path / sizeof *by_path; i++) allow(p, by_path[i]);
}

// What a training worker writes checkpoints and models with.
static const uint32_t writing_files[] = {
    SYS_openat, SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat, SYS_fsync, SYS_fdatasync,
    SYS_ftruncate, SYS_fallocate, SYS_pwrite64, SYS_pwritev, SYS_fchmod, SYS_flock, SYS_dup,
    SYS_msync,
#ifdef SYS_open
    SYS_mkdir, SYS_unlink, SYS_rename, SYS_rmdir, SYS_renameat,
#endif
};

static void refuse_paths(program *p) {
  // fstat of a current C library is fstatat with AT_EMPTY_PATH; what it can tell of a path is little.
  unless_equal(p, SYS_newfstatat, 5);
  load_argument(p, 3);
  emit(p, BPF_ALU | BPF_AND | BPF_K, AT_EMPTY_PATH, 0, 0);
  unless_equal(p, AT_EMPTY_PATH, 1);
  give(p, SECCOMP_RET_ALLOW);
  give(p, SECCOMP_RET_ERRNO | EACCES);
  for (size_t i = 0; i < sizeof by_path / sizeof *by_path; i++) answer(p, by_path[i], EACCES);
}

static void allow_with_conditions(program *p, int channel) {
  // Threads, no processes and no namespaces. clone3 hides its flags behind a pointer that a filter
  // cannot follow; without it the C library calls clone.
  answer(p, SYS_clone3, ENOSYS);
  allow_when(p, SYS_clone, 0,
             CLONE_THREAD | CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET,
             CLONE_THREAD);
  // RLIMIT_DATA does not count shared memory or huge pages.
  const uint32_t uncounted = MAP_SHARED | MAP_ANONYMOUS;
  unless_equal(p, SYS_mmap, 8);
  load_argument(p, 3);
  emit(p, BPF_ALU | BPF_AND | BPF_K, uncounted | MAP_HUGETLB, 0, 0);
  unless_equal(p, uncounted, 1);
  give(p, refused);
  emit(p, BPF_ALU | BPF_AND | BPF_K, MAP_HUGETLB, 0, 0);
  unless_equal(p, 0, 1);
  give(p, SECCOMP_RET_ALLOW);
  give(p, refused);
  // The one socket, and signals to itself (abort).
  const uint32_t whole = 0xFFFFFFFFu;
  allow_when(p, SYS_sendmsg, 0, whole, (uint32_t)channel);
  allow_when(p, SYS_recvmsg, 0, whole, (uint32_t)channel);
  allow_when(p, SYS_sendto, 0, whole, (uint32_t)channel);
  allow_when(p, SYS_recvfrom, 0, whole, (uint32_t)channel);
  allow_when(p, SYS_tgkill, 0, whole, (uint32_t)getpid());
  allow_when(p, SYS_kill, 0, whole, (uint32_t)getpid());
  // F_SETOWN could send a signal to another process.
  const uint32_t commands[] = {F_GETFD, F_SETFD, F_GETFL, F_SETFL};
  allow_one_of(p, SYS_fcntl, 1, commands, 4);
  const uint32_t names[] = {PR_SET_NAME, PR_GET_NAME, 0x53564d41 /* PR_SET_VMA */};
  allow_one_of(p, SYS_prctl, 0, names, 3);
  // Limits may be read: the new one is NULL.
  unless_equal(p, SYS_prlimit64, 7);
  load_argument(p, 2);
  unless_equal(p, 0, 4);
  load(p, (uint32_t)offsetof(struct seccomp_data, args) + 8 * 2 + 4);
  unless_equal(p, 0, 2);
  give(p, SECCOMP_RET_ALLOW);
  give(p, refused);
  give(p, refused);
}

cs_outcome cs_filter_system_calls(cs_stage stage, int channel) {
#ifndef THIS_ARCHITECTURE
  (void)stage, (void)channel;
  return cs_not_supported;
#else
  program p = {.count = 0};
  load(&p, (uint32_t)offsetof(struct seccomp_data, arch));
  emit(&p, BPF_JMP | BPF_JEQ | BPF_K, THIS_ARCHITECTURE, 1, 0);
  give(&p, SECCOMP_RET_KILL_PROCESS);
  load(&p, (uint32_t)offsetof(struct seccomp_data, nr));
#ifdef __x86_64__
  // The numbers of the x32 ABI are others' under the same architecture.
  emit(&p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1);
  give(&p, SECCOMP_RET_KILL_PROCESS);
#endif
  for (size_t i = 0; i < sizeof harmless / sizeof *harmless; i++) allow(&p, harmless[i]);
  allow_with_conditions(&p, channel);
  if (stage == cs_stage_training) {
    for (size_t i = 0; i < sizeof writing_files / sizeof *writing_files; i++)
      allow(&p, writing_files[i]);
    allow_paths(&p);
  } else if (stage == cs_stage_loading) {
    allow_paths(&p);
    allow(&p, SYS_seccomp);  // the filter of the next stage
  } else {
    refuse_paths(&p);
  }
  give(&p, refused);
  struct sock_fprog filter = {.len = p.count, .filter = p.code};
  long result =
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &filter);
  if (result == 0) return cs_applied;
  return result < 0 && (errno == ENOSYS || errno == EINVAL) ? cs_not_supported : cs_failed;
#endif
}
