// SPDX-License-Identifier: Apache-2.0
internal import Glibc

/// What the process takes of the machine, under Prometheus' customary names.
enum ProcessMetrics {
  static func write(to text: inout MetricsText) {
    var usage = rusage()
    if getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage) == 0 {
      let name = "process_cpu_seconds_total"
      text.begin(name, .counter, "User and system CPU time, in seconds.")
      text.sample(name, seconds(usage.ru_utime) + seconds(usage.ru_stime))
    }
    // statm counts in pages: size, resident, …
    let fields = contents(of: "/proc/self/statm").split(separator: " ")
    if fields.count > 1, let pages = UInt64(fields[1]) {
      let name = "process_resident_memory_bytes"
      text.begin(name, .gauge, "Resident memory, in bytes.")
      text.sample(name, pages &* UInt64(sysconf(Int32(_SC_PAGESIZE))))
    }
    if let count = openFileCount() {
      let name = "process_open_fds"
      text.begin(name, .gauge, "Open file descriptors.")
      text.sample(name, count)
    }
  }

  private static func seconds(_ time: timeval) -> Double {
    Double(time.tv_sec) + Double(time.tv_usec) / 1_000_000
  }

  private static func contents(of path: String) -> String {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return "" }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 256)
    let count = read(descriptor, &bytes, bytes.count)
    return count > 0 ? String(decoding: bytes[..<count], as: UTF8.self) : ""
  }

  private static func openFileCount() -> UInt64? {
    guard let directory = opendir("/proc/self/fd") else { return nil }
    defer { closedir(directory) }
    var count: UInt64 = 0
    while let entry = readdir(directory) {
      // "." and "..", and the descriptor of the directory itself, are not counted below.
      if entry.pointee.d_name.0 != CChar(bitPattern: UInt8(ascii: ".")) { count += 1 }
    }
    return count > 0 ? count - 1 : nil
  }
}
