// SPDX-License-Identifier: Apache-2.0
internal import MassifAPI

/// What the progress bar of a job says, as a function of the job and the width alone.
enum ProgressLine {
  /// The widest bar that is still easy to read.
  private static let maxBarWidth = 30

  /// One line of at most `width` characters:
  /// `epoch 2/3 [=======>      ]  52 %  loss 0.2312  accuracy 0.9140  3,312 samples/s  0:34 left`.
  ///
  /// What does not fit goes from the right: the time left stays longest after the bar.
  static func render(_ job: Massif_V1_Job, width: Int) -> String {
    guard job.hasProgress, job.progress.epochs > 0 else {
      return String("\(job.state.text.lowercased())…".prefix(width))
    }
    let progress = job.progress
    let fraction =
      progress.samples == 0 ? 0 : min(1, Double(progress.samplesDone) / Double(progress.samples))
    let label = "epoch \(progress.epoch)/\(progress.epochs) "
    let percent = String(Int(fraction * 100))
    let left = " \(String(repeating: " ", count: 3 - percent.count))\(percent) %"
    var parts: [String] = []
    for name in ["loss", "accuracy", "mean_return"] {
      guard let metric = progress.metrics.first(where: { $0.name == name }) else { continue }
      parts.append("  \(name) \(Quantity.fixed(metric.value, 4))")
    }
    if progress.samplesPerSecond.isFinite, (1..<1e12).contains(progress.samplesPerSecond) {
      parts.append("  \(Quantity.grouped(Int64(progress.samplesPerSecond))) samples/s")
    }
    let time = "  \(Quantity.time(seconds: progress.secondsLeft)) left"

    let fixed = label.count + left.count
    guard width >= fixed else { return String((label + left).prefix(width)) }
    var room = width - fixed
    // A bar of ten says enough; numbers come before a longer one.
    let smallBar = room >= 12 ? 12 : 0
    room -= smallBar
    var text = ""
    if time.count <= room { room -= time.count }
    let hasTime = width - fixed - smallBar - room == time.count
    for part in parts where part.count <= room {
      text += part
      room -= part.count
    }
    if hasTime { text += time }
    let bar = smallBar == 0 ? "" : self.bar(fraction, width: min(smallBar + room, maxBarWidth))
    return label + bar + left + text
  }

  /// `[====>     ]`, brackets included in the width.
  static func bar(_ fraction: Double, width: Int) -> String {
    let inner = max(width - 2, 0)
    let filled = Int((fraction * Double(inner)).rounded(.down))
    let head = filled < inner ? ">" : ""
    let rest = String(repeating: " ", count: max(0, inner - filled - head.count))
    return "[" + String(repeating: "=", count: min(filled, inner)) + head + rest + "]"
  }
}
