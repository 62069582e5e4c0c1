// SPDX-License-Identifier: Apache-2.0
internal import ArgumentParser
internal import MassifClient

/// The command `massif jobs …`.
struct JobsCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs", abstract: "Training jobs: list, get, watch, cancel.",
    subcommands: [
      JobsListCommand.self, JobsGetCommand.self, JobsWatchCommand.self, JobsCancelCommand.self,
    ])
}

/// The command `massif jobs list`.
struct JobsListCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list", abstract: "List the jobs of a team, the newest first.",
    discussion: """
      Example:
        massif jobs list --output json
      """)

  @Option(help: "The team; your own if not given.")
  var team = ""
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let jobs = try await client.jobs.list(team: team)
      output.show(["jobs": .array(jobs.map(\.json))]) {
        var table = TextTable("JOB", "STATE", "MODEL", "DATA SET", "EPOCH", "CREATED")
        for job in jobs {
          let model = job.specification.model + (job.version > 0 ? "@\(job.version)" : "")
          let epoch = job.hasProgress ? "\(job.progress.epoch)/\(job.progress.epochs)" : "-"
          table.append(
            job.id, job.state.text, model,
            job.specification.dataset.isEmpty ? "-" : job.specification.dataset, epoch,
            job.audit.created.text)
        }
        return jobs.isEmpty ? ["no jobs; `massif train --help` shows how to make one"] : table.lines
      }
    }
  }
}

/// The command `massif jobs get`.
struct JobsGetCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "get", abstract: "Show a job as it stands.",
    discussion: """
      Example:
        massif jobs get JOB --output json
      """)

  @Argument(help: "The job's id.")
  var job: String
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let job = try await client.jobs.get(job)
      output.show(job.json) { job.lines }
    }
  }
}

/// The command `massif jobs watch`.
struct JobsWatchCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "watch", abstract: "Follow a job until it ends.",
    discussion: """
      On a terminal a bar shows epoch, loss, accuracy, samples/s and the time left. With --output \
      json, each change is one JSON document on a line. Ctrl-C ends the watch and leaves the job \
      running. Exit status: 0 if the job succeeded, 1 if it failed or was cancelled, 130 after \
      Ctrl-C.

      Example:
        massif jobs watch JOB
      """)

  @Argument(help: "The job's id.")
  var job: String
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      try await JobFollower(client: client, output: output).follow(job)
    }
  }
}

/// The command `massif jobs cancel`.
struct JobsCancelCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "cancel", abstract: "Ask a job to stop.",
    discussion: """
      Example:
        massif jobs cancel JOB
      """)

  @Argument(help: "The job's id.")
  var job: String
  @OptionGroup var client: ClientOptions

  func run() async throws {
    try await client.withClient { client, output in
      let job = try await client.jobs.cancel(job)
      output.show(job.json) { ["job \(job.id) is \(job.state.text.lowercased())"] }
    }
  }
}
