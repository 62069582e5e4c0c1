// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

/// What a plugin tries to reach from its worker, and does not.
@Suite(.enabled(if: isInstalled("cc"), "needs a C compiler"))
struct SandboxTests {
  /// Runs `attempt`, C code that leaves a result in `result`, and gives that and `errno`.
  private func outcome(_ attempt: String) throws -> (result: Int, number: Int32) {
    let directory = try TemporaryDirectory()
    let host = try TestRegistry()
    let library = try RoguePlugins.compile(
      [
        "ROGUE": "errno = 0; long result = 0; \(attempt) "
          + "int64_t two[] = {2}; float *y = (float *)e->output(e, 0, MSF_FP32, 1, two, 0); "
          + "y[0] = result; y[1] = errno; return MSF_OK;"
      ], in: directory)
    let model = try host.load(library, isolation: .isolated)
      .makeModel(artifacts: [], configuration: "{}")
    let answer = try model.answer([666])
    return (Int(answer[0]), Int32(answer[1]))
  }

  @Test(
    "A plugin reaches no file, no network and no other process",
    arguments: [
      #"result = open("/etc/passwd", O_RDONLY);"#,
      #"result = open("/tmp/massif-sandbox-test", O_CREAT | O_WRONLY, 0600);"#,
      #"result = open("/proc/self/environ", O_RDONLY);"#,
      #"result = syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", 0, 0);"#,
      #"char b[64]; result = readlink("/proc/self/exe", b, sizeof b);"#,
      #"result = unlink("/tmp/massif-sandbox-test");"#,
      "result = socket(AF_INET, SOCK_STREAM, 0);",
      "result = socket(AF_UNIX, SOCK_STREAM, 0);",
      "int p[2]; result = socketpair(AF_UNIX, SOCK_STREAM, 0, p);",
      "result = fork();",
      "result = vfork();",
      #"result = execl("/bin/true", "true", (char *)0);"#,
      "result = kill(getppid(), 0);",
      "result = kill(-1, 0);",
      "result = syscall(SYS_ptrace, 0, 0, 0, 0);",
      "result = syscall(SYS_process_vm_readv, getppid(), 0, 0, 0, 0, 0);",
      #"result = syscall(SYS_mount, "none", "/tmp", "tmpfs", 0, 0);"#,
      "result = syscall(SYS_unshare, 0x10000000);",
      "result = syscall(SYS_io_uring_setup, 1, 0);",
      "result = syscall(SYS_bpf, 0, 0, 0);",
      "result = syscall(SYS_perf_event_open, 0, 0, -1, -1, 0);",
      "result = syscall(SYS_userfaultfd, 0);",
      #"result = syscall(SYS_memfd_create, "x", 0);"#,
      "result = syscall(SYS_setuid, 0);",
      "result = syscall(SYS_clone3, 0, 0);",
      "struct { long a, b; } most = {1L << 40, 1L << 40}; result = syscall(SYS_prlimit64, 0, 2, &most, 0);",
      "result = fcntl(3, F_SETOWN, getppid());",
      "result = (long)mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);",
      #"result = sendto(2, "x", 1, 0, 0, 0);"#,
    ])
  func denied(attempt: String) throws {
    let (result, number) = try outcome(attempt)
    #expect(result == -1)
    #expect([EPERM, EACCES, ENOSYS].contains(number), "errno \(number)")
  }

  @Test(
    "What a plugin needs works",
    arguments: [
      "void *p = malloc(64 << 20); memset(p, 1, 64 << 20); free(p);",
      "pthread_t t; result = pthread_create(&t, 0, (void *(*)(void *))free, 0); pthread_join(t, 0);",
      "result = usleep(10) + sched_yield();",
      "char b[16]; result = syscall(SYS_getrandom, b, sizeof b, 0) - 16;",
      "int p[2]; result = pipe(p); close(p[0]); close(p[1]);",
      "result = raise(SIGURG);",
    ])
  func allowed(attempt: String) throws {
    #expect(try outcome(attempt).result == 0)
  }

  @Test("A worker has no environment, no descriptors and no capabilities of the server's")
  func scrubbed() throws {
    #expect(try outcome(#"result = getenv("PATH") != 0 || getenv("HOME") != 0;"#).result == 0)
    // Standard streams lead nowhere, 3 is the channel, 4 the library, and a slot's is closed again.
    #expect(
      try outcome("for (int i = 5; i < 64; i++) result += fcntl(i, F_GETFD) >= 0;").result == 0)
  }
}
