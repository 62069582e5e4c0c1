// SPDX-License-Identifier: Apache-2.0
import Runtime

extension TableSchema {
  /// The schema as `model.json` keeps it, under the key `features`.
  var json: JSONValue {
    .array(
      sources.map { source in
        var members: [JSONValue.Member] = [
          .init(key: "name", value: .string(source.name)),
          .init(key: "datatype", value: .string(source.datatype.rawValue)),
          .init(key: "shape", value: .array(source.shape.map { .integer($0) })),
        ]
        switch source.kind {
        case .number: members.append(.init(key: "kind", value: "number"))
        case .integer: members.append(.init(key: "kind", value: "integer"))
        case .categorical(let categories):
          members.append(.init(key: "kind", value: "categorical"))
          members.append(.init(key: "categories", value: .strings(categories)))
        }
        return .object(members)
      })
  }

  /// Reads what `json` wrote.
  ///
  /// - Throws: `.invalidArgument` with the path of what is wrong.
  init(_ json: JSONValue?, path: String) throws(PluginError) {
    guard case .array(let elements)? = json, !elements.isEmpty else {
      throw PluginError(
        field: path, "expected a list of columns, came \(json?.excerpt ?? "nothing")")
    }
    sources = []
    for (index, element) in elements.enumerated() {
      sources.append(try Self.source(element, path: "\(path)[\(index)]"))
    }
    let count = Extents.sum(sources.map(\.width)) ?? .max
    guard count <= Self.maxColumns, Set(sources.map(\.name)).count == sources.count else {
      throw PluginError(
        field: path, "expected at most \(Self.maxColumns) columns, each name once")
    }
  }

  private enum KindName: String, CaseIterable {
    case number, integer, categorical
  }

  private static func source(_ json: JSONValue, path: String) throws(PluginError) -> Source {
    let list = ViolationList()
    let fields = FieldReader(
      json, path: path, keys: ["name", "datatype", "shape", "kind", "categories"], list: list)
    let name = fields.name("name", default: "")
    let datatype = fields.choice("datatype", of: DataType.self) ?? .fp32
    let shape = fields.integers("shape", 1...maxColumns)
    let kindName = fields.choice("kind", of: KindName.self)
    let kind: Column.Kind
    switch kindName {
    case .number?, nil: kind = .number
    case .integer?: kind = .integer
    case .categorical?: kind = .categorical(fields.strings("categories") ?? [])
    }
    if name.isEmpty { fields.refuse("name", "expected a column's name") }
    if Extents.product(shape) == nil { fields.refuse("shape", "expected a smaller shape") }
    if !TableElements.isNumeric(datatype) { fields.refuse("datatype", "expected a numeric type") }
    try list.check()
    return Source(name: name, datatype: datatype, shape: shape, kind: kind)
  }
}
