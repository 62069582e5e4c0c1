// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import ModelPlugins

struct PluginSigningTests {
  private static let digest = String(repeating: "0123456789abcdef", count: 4)

  private func manifest(abi: String = "1.0") throws -> PluginManifest {
    try PluginManifest(name: "echo", version: "1.2", abiVersion: abi, digest: Self.digest)
  }

  private func trusted(_ key: PluginSigningKey) throws -> TrustedPluginKeys {
    var keys = TrustedPluginKeys()
    try keys.add(pem: Array(key.publicPEM().utf8))
    return keys
  }

  @Test func aManifestHasOneForm() throws {
    let text =
      "massif-plugin-manifest-1\nname=echo\nversion=1.2\nabi=1.0\nsha256=\(Self.digest)\n"
    #expect(try manifest().text == text)
    #expect(try PluginManifest(parsing: text) == manifest())
    for other in [
      "", String(text.dropLast()), text + "\n", text + "more=1\n", " " + text,
      text.replacing("echo", with: "e/cho"), text.replacing("1.0", with: "01.0"),
      text.replacing("1.0", with: "1"), text.replacing("abc", with: "ABC"),
      text.replacing("\n", with: "\r\n"), text.replacing("1.2", with: "1 2"),
      text.replacing("manifest-1", with: "manifest-2"),
      text.replacing("name=echo\nversion=1.2", with: "version=1.2\nname=echo"),
    ] {
      #expect(
        failure { _ = try PluginManifest(parsing: other) }?.code == .invalidArgument, "\(other)")
    }
  }

  @Test func whatWasSignedIsTrusted() throws {
    let key = try PluginSigningKey.generate()
    let signed = try key.sign(manifest())
    let read = try SignedPluginManifest(parsing: signed.text.utf8)
    #expect(read == signed)
    #expect(read.keyID == key.id)
    try trusted(key).verify(read)
    // The private key survives its file.
    let again = try PluginSigningKey(pem: Array(key.privatePEM().utf8))
    #expect(again.id == key.id)
    #expect(try again.sign(manifest()) == signed)
  }

  @Test func everyFlippedBitOfASignedManifestIsRefused() throws {
    let key = try PluginSigningKey.generate()
    let keys = try trusted(key)
    let bytes = Array(try key.sign(manifest()).text.utf8)
    for index in bytes.indices {
      var flipped = bytes
      flipped[index] ^= 1 << UInt8(index % 8)
      #expect(
        failure { try keys.verify(SignedPluginManifest(parsing: flipped)) } != nil, "byte \(index)")
    }
  }

  @Test func anotherKeyIsNotTrusted() throws {
    let signed = try PluginSigningKey.generate().sign(manifest())
    for keys in [TrustedPluginKeys(), try trusted(PluginSigningKey.generate())] {
      let error = failure { try keys.verify(signed) }
      #expect(error?.code == .permissionDenied)
      #expect(error?.message.contains("does not trust") == true)
    }
    // Neither does it help to claim a key that is.
    let key = try PluginSigningKey.generate()
    let text = signed.text.replacing(signed.keyID, with: key.id)
    let error = failure { try trusted(key).verify(SignedPluginManifest(parsing: text.utf8)) }
    #expect(error?.code == .permissionDenied)
  }

  @Test func anotherABIIsRefusedBeforeLoading() throws {
    let key = try PluginSigningKey.generate()
    let error = failure { try trusted(key).verify(key.sign(manifest(abi: "1.99"))) }
    #expect(error?.code == .failedPrecondition)
    #expect(error?.message.contains("1.99") == true)
    #expect(error?.message.contains(HostServices.abiVersion) == true)
  }

  @Test func keysComeFromAFileOrADirectory() throws {
    let directory = try TemporaryDirectory()
    let first = try PluginSigningKey.generate()
    let second = try PluginSigningKey.generate()
    let file = try directory.write("first.pem", first.publicPEM())
    _ = try directory.write("second.pem", second.publicPEM())
    _ = try directory.write("second.key", second.privatePEM())
    #expect(try TrustedPluginKeys(path: file).count == 1)
    let both = try TrustedPluginKeys(path: directory.url.path)
    #expect(both.contains(first.id) && both.contains(second.id) && both.count == 2)

    #expect(failure { _ = try TrustedPluginKeys(path: directory.path("none")) }?.code == .notFound)
    let empty = try TemporaryDirectory()
    #expect(
      failure { _ = try TrustedPluginKeys(path: empty.url.path) }?.code == .invalidArgument)
    for text in ["", "no key", try first.privatePEM(), Self.rsaKey] {
      _ = try empty.write("bad.pem", text)
      #expect(
        failure { _ = try TrustedPluginKeys(path: empty.url.path) }?.code != nil,
        "\(text.prefix(30))")
    }
  }

  /// A public key, but of another algorithm.
  private static let rsaKey = """
    -----BEGIN PUBLIC KEY-----
    MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKj34GkxFhD90vcNLYLInFEX6Ppy1tPf
    9Cnzj4p4WGeKLs1Pt8QuKUpRKfFLfRYC9AIKjbJTWit+CqvjWYzvQwECAwEAAQ==
    -----END PUBLIC KEY-----
    """
}

/// The bytes that are checked are the bytes that run.
struct PluginImageTests {
  private let library = Locations.product("IdentityC")

  @Test func isTheFileAsItWas() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("plugin.so")
    try FileManager.default.copyItem(atPath: library, toPath: path)
    let image = try PluginImage(path: path)
    #expect(image.byteCount == (try Data(contentsOf: URL(filePath: path))).count)
    #expect(image.digest == (try PluginImage(path: library)).digest)
    // Whoever changes the file between verification and loading changes nothing.
    try Data(repeating: 0, count: 100).write(to: URL(filePath: path))
    #expect(try TestRegistry().registry.load(image).name == "identity")
  }

  @Test func nobodyCanWriteIt() throws {
    let image = try PluginImage(path: library)
    #expect(pwrite(image.descriptor, "x", 1, 0) == -1 && errno == EPERM)
    #expect(ftruncate(image.descriptor, 0) == -1 && errno == EPERM)
    #expect(
      mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, image.descriptor, 0) == MAP_FAILED)
  }

  @Test func oneFlippedByteIsAnotherDigest() throws {
    let key = try PluginSigningKey.generate()
    var keys = TrustedPluginKeys()
    try keys.add(pem: Array(key.publicPEM().utf8))
    let image = try PluginImage(path: library)
    let signed = try key.sign(PluginManifest(of: TestRegistry().registry.load(image)))
    try keys.verify(signed, for: image)

    let directory = try TemporaryDirectory()
    var bytes = try Data(contentsOf: URL(filePath: library))
    bytes[bytes.count / 2] ^= 1
    try bytes.write(to: URL(filePath: directory.path("flipped.so")))
    let flipped = try PluginImage(path: directory.path("flipped.so"))
    let error = failure { try keys.verify(signed, for: flipped) }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains(flipped.digest) == true)
  }

  @Test func unsealedMemoryIsNotTakenOver() throws {
    let file = open(library, O_RDONLY | O_CLOEXEC)
    #expect(failure { _ = try PluginImage(adopting: file) }?.code == .failedPrecondition)
    let image = try PluginImage(path: library)
    let twin = try PluginImage(adopting: dup(image.descriptor))
    #expect(twin.digest == image.digest)
  }

  @Test func aPluginThatIsNotWhatItsManifestSays() throws {
    let plugin = try TestRegistry().load(library)
    let manifest = try PluginManifest(
      name: "identity", version: "9.9", abiVersion: plugin.abiVersion, digest: plugin.digest)
    let error = failure { try plugin.check(against: manifest) }
    #expect(error?.code == .permissionDenied)
    #expect(error?.message.contains("9.9") == true)
  }

  @Test func isolatedIsItsOwnKindOfLoading() throws {
    let host = try TestRegistry()
    let image = try PluginImage(path: library)
    let plugin = try host.registry.load(image)
    #expect(plugin.isolation == .inProcess)
    let error = failure { _ = try host.registry.load(image, isolation: .isolated) }
    #expect(error?.code == .alreadyExists)
  }

  @Test func aRetiredBuildComesBackAsItWas() throws {
    let host = try TestRegistry()
    let image = try PluginImage(path: library)
    let plugin = try host.registry.load(image)
    host.registry.retire(digest: plugin.digest)
    #expect(host.registry.plugin(named: "identity") == nil)
    #expect(host.registry.plugin(digest: plugin.digest) == nil)
    #expect(try host.registry.load(image) === plugin)
    #expect(host.registry.plugin(named: "identity") === plugin)
  }
}
