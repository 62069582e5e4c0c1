// SPDX-License-Identifier: Apache-2.0
// Trains a network on a data set that is there, deploys it and asks it something:
//   swift run ClientExample 127.0.0.1:8001 certs/dev
import Glibc
import MassifClient

guard let address = CommandLine.arguments.dropFirst().first.flatMap({ ServerAddress($0) }) else {
  print("usage: ClientExample HOST:PORT CERTIFICATES")
  exit(64)
}
let certificates = CommandLine.arguments.count > 2 ? CommandLine.arguments[2] : "certs/dev"

// Who we are is our certificate. Nothing connects before the first call.
let client = try MassifClient(
  addresses: [address], credentials: Credentials(directory: certificates, name: "alice"))
defer { client.close() }

// Submit a job. Should the server restart while we ask, the job is submitted once all the same.
var specification = TrainingSpecification()
specification.model = "fashion-linear"
specification.dataset = "fashion-mnist"
specification.plugin = "neural-network"
specification.configuration = """
  {"input": {"scale": 0.00392156862745098},
   "layers": [{"type": "flatten"}, {"type": "dense", "units": 10}],
   "loss": "cross_entropy", "optimizer": {"type": "adam", "learning_rate": 0.001},
   "epochs": 1, "batch_size": 64}
  """
let submitted = try await client.jobs.submit(specification)

// Follow it to its end; a stream that breaks is opened again.
var job = submitted
for try await update in client.jobs.watch(submitted.id) {
  job = update
  print("epoch \(job.progress.epoch): \(job.progress.samplesDone) images")
}
guard job.state == .succeeded else {
  print("the job \(job.state): \(job.error)")
  exit(1)
}

// Serve the version, and classify one (black) image.
let version = try await client.models.deploy(job.specification.model, version: job.version)
let image = try Tensor("images", shape: [1, 28, 28, 1], [UInt8](repeating: 0, count: 784))
do {
  let answer = try await client.infer(
    version.model, inputs: [image], deadline: .now + .seconds(2))
  let probabilities = try answer.outputs[0].elements(of: Float.self)
  print("\(version.model)@\(answer.version): \(probabilities)")
} catch {
  // Every error has a code, and names the fields that the server found fault with.
  print("\(error.code): \(error.message)")
  for violation in error.fieldViolations { print("  \(violation.field): \(violation.description)") }
  exit(1)
}
