// SPDX-License-Identifier: Apache-2.0
internal import ModelPlugins
internal import RPCTransport
internal import Store

extension CommandError {
  /// Why a server could not start, and what to do about it.
  init(serving error: any Error, _ settings: ServeSettings) {
    switch error {
    case let error as CommandError: self = error
    case let error as TransportError where error.code == .certificate:
      self.init(
        "the certificates in \(settings.certificates) cannot be used: \(error.message)",
        hint: "`massif certs init --directory \(settings.certificates)` makes development ones")
    case let error as TransportError:
      self.init(
        "cannot serve on \(settings.host):\(settings.port): \(error.message)",
        hint: "another server may be running there; see --listen")
    case let error as StoreError:
      self.init(
        "the data directory \(settings.dataDirectory) cannot be used: \(error.message)",
        hint: "see --data-directory")
    case let error as PluginError: self.init(error.message)
    default: self.init("the server cannot start: \(error)")
    }
  }
}
