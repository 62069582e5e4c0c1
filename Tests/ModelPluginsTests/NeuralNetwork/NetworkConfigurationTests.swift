// SPDX-License-Identifier: Apache-2.0
import Foundation
import Runtime
import Testing

@testable import ModelPlugins

struct NetworkConfigurationTests {
  /// A configuration with one layer.
  private static func layer(_ text: String) -> String { #"{"layers":[\#(text)]}"# }
  private static let dense = #"{"type":"dense","units":4}"#

  @Test func defaults() throws {
    let configuration = try NetworkConfiguration(parsing: Self.layer(Self.dense))
    #expect(configuration.layers == [.dense(units: 4, useBias: true, activation: nil)])
    #expect(configuration.loss == LossChoice())
    #expect(configuration.optimizer.type == .adam)
    #expect(configuration.optimizer.learningRate == 0.001)
    #expect(configuration.epochs == 3)
    #expect(configuration.batchSize == 64)
    #expect(configuration.inputTensor == "images")
    #expect(configuration.labelTensor == "labels")
    #expect(configuration.maxBatchSize == 64)
  }

  @Test(
    "The written form reads back the same",
    arguments: [
      TestNetworks.convolutional, TestNetworks.everyLayer, layer(dense),
      #"{"layers":[\#(dense)],"optimizer":{"type":"adamw"},"loss":"mean_squared_error"}"#,
      #"{"layers":[\#(dense)],"optimizer":{"type":"rmsprop","momentum":0.5},"loss":{"type":"huber","delta":2}}"#,
      #"{"layers":[\#(dense)],"optimizer":{"type":"adagrad"},"loss":{"type":"binary_cross_entropy","positive_weight":3}}"#,
      """
      {"layers":[{"type":"dense","units":4,"trainable":false},{"type":"batch_norm"}],
       "loss":{"type":"cross_entropy","label_smoothing":0.1,"class_weights":[1,2,0.5,0]},
       "optimizer":{"type":"lamb"},"regularization":{"l1":0.001},"gradient_clipping":{"norm":1},
       "schedule":{"type":"one_cycle"},"early_stopping":{"patience":2},
       "monitor_split":"validation"}
      """,
      #"{"layers":[\#(dense)],"gradient_clipping":{"value":0.5},"schedule":{"type":"cosine","warmup_epochs":0.5}}"#,
      #"{"layers":[\#(dense)],"schedule":{"type":"step","epochs":3}}"#,
      #"{"layers":[\#(dense)],"schedule":{"type":"exponential"}}"#,
      TestNetworks.recurrent, TestNetworks.normalised, TestNetworks.attentive,
      TestNetworks.general,
      #"{"layers":[{"type":"embedding","entries":9,"dimensions":2},{"type":"rnn","units":3}]}"#,
      #"{"preset":{"name":"images","outputs":10}}"#,
      #"{"preset":{"name":"sequences","outputs":10}}"#,
      #"{"preset":{"name":"tables","outputs":1},"loss":"huber"}"#,
      #"{"layers":[\#(dense)],"schedule":{"type":"reduce_on_plateau","patience":2}}"#,
    ])
  func canonicalText(text: String) throws {
    let configuration = try NetworkConfiguration(parsing: text)
    let again = try NetworkConfiguration(parsing: configuration.canonicalText)
    #expect(again == configuration)
    #expect(again.canonicalText == configuration.canonicalText)
  }

  @Test(
    "Each wrong field is named, with what was expected and what came",
    arguments: [
      ("[]", "configuration", "expected an object, came an array"),
      ("{}", "configuration.layers", "missing"),
      (#"{"layers":[]}"#, "configuration.layers", "1 to 256"),
      (#"{"layers":{}}"#, "configuration.layers", "came an object"),
      (layer("3"), "configuration.layers[0]", "expected an object, came 3"),
      (layer("{}"), "configuration.layers[0].type", "missing"),
      (layer(#"{"type":"lost"}"#), "configuration.layers[0].type", "\"conv2d\", \"max_pool2d\""),
      (layer(#"{"type":"lstm"}"#), "configuration.layers[0].units", "missing"),
      (
        layer(#"{"type":"gru","units":4,"activation":"tanh"}"#),
        "configuration.layers[0].activation", "is unknown"
      ),
      (
        layer(#"{"type":"rnn","units":4,"activation":"gelu"}"#),
        "configuration.layers[0].activation", "\"tanh\""
      ),
      (layer(#"{"type":"lstm","units":4,"layers":9}"#), "configuration.layers[0].layers", "1...8"),
      (
        layer(#"{"type":"embedding","entries":4}"#), "configuration.layers[0].dimensions",
        "missing"
      ),
      (
        #"{"layers":[\#(dense)],"preset":{"name":"images","outputs":10}}"#,
        "configuration.preset", "either a preset or layers"
      ),
      (#"{"preset":{"name":"sounds","outputs":10}}"#, "configuration.preset.name", "\"tables\""),
      (#"{"preset":{"name":"images"}}"#, "configuration.preset.outputs", "missing"),
      (
        layer(#"{"type":"dense","units":"abc"}"#), "configuration.layers[0].units",
        "expected an integer in 1...65536, came \"abc\""
      ),
      (layer(#"{"type":"dense","units":0}"#), "configuration.layers[0].units", "came 0"),
      (layer(#"{"type":"dense","units":1.5}"#), "configuration.layers[0].units", "came 1.5"),
      (layer(#"{"type":"dense","units":1e2}"#), "configuration.layers[0].units", "came 1e2"),
      (layer(#"{"type":"dense","units":65537}"#), "configuration.layers[0].units", "65537"),
      (
        layer(#"{"type":"dense","units":99999999999999999999}"#), "configuration.layers[0].units",
        "came 99999999999999999999"
      ),
      (layer(#"{"type":"dense"}"#), "configuration.layers[0].units", "missing"),
      (
        layer(#"{"type":"dense","units":4,"size":2}"#), "configuration.layers[0].size",
        "is unknown; known are type, units, use_bias, activation, trainable"
      ),
      (
        layer(#"{"type":"dense","units":4,"activation":"swish"}"#),
        "configuration.layers[0].activation", "\"relu\""
      ),
      (
        layer(#"{"type":"dense","units":4,"use_bias":1}"#), "configuration.layers[0].use_bias",
        "expected true or false, came 1"
      ),
      (layer(#"{"type":"conv2d","filters":4}"#), "configuration.layers[0].kernel", "missing"),
      (
        layer(#"{"type":"conv2d","filters":4,"kernel":3,"padding":"full"}"#),
        "configuration.layers[0].padding", "came \"full\""
      ),
      (
        layer(#"{"type":"conv2d","filters":4,"kernel":3,"padding":-1}"#),
        "configuration.layers[0].padding", "came -1"
      ),
      (
        layer(#"{"type":"conv2d","filters":4,"kernel":3,"stride":0}"#),
        "configuration.layers[0].stride", "came 0"
      ),
      (
        layer(#"{"type":"conv2d","filters":4,"kernel":3,"dilation":0}"#),
        "configuration.layers[0].dilation", "came 0"
      ),
      (layer(#"{"type":"depthwise_conv2d"}"#), "configuration.layers[0].kernel", "missing"),
      (
        layer(#"{"type":"upsample2d","factor":2,"mode":"cubic"}"#),
        "configuration.layers[0].mode", "\"linear\""
      ),
      (layer(#"{"type":"group_norm"}"#), "configuration.layers[0].groups", "missing"),
      (
        layer(#"{"type":"permute","axes":[0,2]}"#), "configuration.layers[0].axes",
        "each of 0, 1, ... once"
      ),
      (layer(#"{"type":"permute"}"#), "configuration.layers[0].axes", "came nothing"),
      (
        layer(#"{"type":"self_attention","heads":2,"expansion":2}"#),
        "configuration.layers[0].expansion", "is unknown"
      ),
      (
        layer(#"{"type":"transformer_block","heads":2,"dropout":1}"#),
        "configuration.layers[0].dropout", "below 1"
      ),
      (layer(#"{"type":"residual","layers":[]}"#), "configuration.layers[0].layers", "1 to 256"),
      (
        layer(#"{"type":"residual","layers":[{"type":"dense"}]}"#),
        "configuration.layers[0].layers[0].units", "missing"
      ),
      (
        layer(#"{"type":"residual","layers":[{"type":"dense","units":4,"trainable":false}]}"#),
        "configuration.layers[0].layers[0].trainable", "at the residual layer"
      ),
      (
        layer(
          String(repeating: #"{"type":"residual","layers":["#, count: 5) + dense
            + String(repeating: "]}", count: 5)),
        "configuration.layers[0]" + String(repeating: ".layers[0]", count: 4) + ".layers",
        "at most 4 deep"
      ),
      (layer(#"{"type":"max_pool2d","size":65}"#), "configuration.layers[0].size", "1...64"),
      (layer(#"{"type":"dropout","rate":1}"#), "configuration.layers[0].rate", "below 1"),
      (layer(#"{"type":"dropout","rate":-0.1}"#), "configuration.layers[0].rate", "-0.1"),
      (layer(#"{"type":"batch_norm","epsilon":0}"#), "configuration.layers[0].epsilon", "above 0"),
      (layer(#"{"type":"batch_norm","momentum":2}"#), "configuration.layers[0].momentum", "2"),
      (layer(#"{"type":"activation"}"#), "configuration.layers[0].activation", "missing"),
      (
        #"{"layers":[\#(dense)],"loss":"poisson"}"#, "configuration.loss", "\"cross_entropy\""
      ),
      (#"{"layers":[\#(dense)],"loss":3}"#, "configuration.loss", "came 3"),
      (
        #"{"layers":[\#(dense)],"loss":{"type":"huber","delta":0}}"#, "configuration.loss.delta",
        "above 0"
      ),
      (
        #"{"layers":[\#(dense)],"loss":{"type":"hinge","delta":1}}"#, "configuration.loss.delta",
        "is unknown"
      ),
      (
        #"{"layers":[\#(dense)],"loss":{"type":"cross_entropy","class_weights":[1,-1]}}"#,
        "configuration.loss.class_weights", "came -1"
      ),
      (
        #"{"layers":[\#(dense)],"loss":{"type":"cross_entropy","label_smoothing":1}}"#,
        "configuration.loss.label_smoothing", "below 1"
      ),
      (
        #"{"layers":[\#(dense)],"gradient_clipping":{}}"#, "configuration.gradient_clipping",
        "either norm or value"
      ),
      (
        #"{"layers":[\#(dense)],"gradient_clipping":{"norm":-1}}"#,
        "configuration.gradient_clipping.norm", "above 0"
      ),
      (
        #"{"layers":[\#(dense)],"regularization":{"l2":-1}}"#, "configuration.regularization.l2",
        "0 or more"
      ),
      (
        #"{"layers":[\#(dense)],"schedule":{"type":"step"}}"#, "configuration.schedule.epochs",
        "missing"
      ),
      (
        #"{"layers":[\#(dense)],"schedule":{"type":"cosine","factor":0.5}}"#,
        "configuration.schedule.factor", "is unknown"
      ),
      (
        #"{"layers":[\#(dense)],"schedule":{"type":"linear"}}"#, "configuration.schedule.type",
        "\"one_cycle\""
      ),
      (
        #"{"layers":[\#(dense)],"early_stopping":{"patience":0}}"#,
        "configuration.early_stopping.patience", "1...100000"
      ),
      (
        layer(#"{"type":"flatten","trainable":false}"#), "configuration.layers[0].trainable",
        "is unknown"
      ),
      (#"{"layers":[\#(dense)],"epochs":0}"#, "configuration.epochs", "1...100000"),
      (#"{"layers":[\#(dense)],"batch_size":null}"#, "configuration.batch_size", "came null"),
      (#"{"layers":[\#(dense)],"epoch":3}"#, "configuration.epoch", "is unknown"),
      (#"{"layers":[\#(dense)],"input":{"scale":0}}"#, "configuration.input.scale", "other than 0"),
      (#"{"layers":[\#(dense)],"input":{"scale":1e300}}"#, "configuration.input.scale", "1e300"),
      (#"{"layers":[\#(dense)],"input":{"mean":0}}"#, "configuration.input.mean", "is unknown"),
      (#"{"layers":[\#(dense)],"input":5}"#, "configuration.input", "came 5"),
      (
        #"{"layers":[\#(dense)],"optimizer":{"type":"lion"}}"#, "configuration.optimizer.type",
        "\"adamw\""
      ),
      (
        #"{"layers":[\#(dense)],"optimizer":{"learning_rate":0}}"#,
        "configuration.optimizer.learning_rate", "above 0"
      ),
      (
        #"{"layers":[\#(dense)],"optimizer":{"momentum":0.9}}"#,
        "configuration.optimizer.momentum", "is unknown"
      ),
      (
        #"{"layers":[\#(dense)],"optimizer":{"type":"sgd","beta1":0.9}}"#,
        "configuration.optimizer.beta1", "is unknown"
      ),
      (
        #"{"layers":[\#(dense)],"optimizer":{"type":"sgd","nesterov":true}}"#,
        "configuration.optimizer.nesterov", "momentum"
      ),
      (
        #"{"layers":[\#(dense)],"optimizer":{"beta2":1}}"#, "configuration.optimizer.beta2",
        "below 1"
      ),
      (#"{"layers":[\#(dense)],"input_tensor":"a/b"}"#, "configuration.input_tensor", "a/b"),
      (
        #"{"layers":[\#(dense)],"input_tensor":"x","label_tensor":"x"}"#,
        "configuration.label_tensor", "another tensor"
      ),
      (
        #"{"layers":[\#(dense)],"serving":{"max_batch_size":0}}"#,
        "configuration.serving.max_batch_size", "1...4096"
      ),
    ])
  func wrongFields(text: String, field: String, words: String) {
    let error = failure { _ = try NetworkConfiguration(parsing: text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.violations.count == 1)
    #expect(error?.violations.first?.field == field)
    #expect(
      error?.violations.first?.description.contains(words) == true, "\(error?.message ?? "none")")
  }

  @Test("Everything that is wrong is said at once")
  func severalViolations() {
    let error = failure {
      _ = try NetworkConfiguration(
        parsing: #"{"layers":[{"type":"dense","units":-1},{"type":"drop"}],"epochs":"many"}"#)
    }
    #expect(
      error?.violations.map(\.field) == [
        "configuration.layers[0].units", "configuration.layers[1].type", "configuration.epochs",
      ])
  }

  @Test("A long list of mistakes is cut, and long values with it")
  func boundedAnswer() {
    let layers = Array(
      repeating: #"{"type":"\#(String(repeating: "x", count: 5000))"}"#, count: 200)
    let error = failure {
      _ = try NetworkConfiguration(
        parsing: #"{"layers":[\#(layers.joined(separator: ","))]}"#)
    }
    #expect((10...20).contains(error?.violations.count ?? 0))
    #expect((error?.message.utf8.count ?? .max) < 8192)
  }

  @Test("The schema knows each key that the reader knows, with the same default")
  func schema() throws {
    let object = try JSONSerialization.jsonObject(with: Data(NetworkConfiguration.schema.utf8))
    let schema = try #require(object as? [String: Any])
    let properties = try #require(schema["properties"] as? [String: [String: Any]])
    let error = failure {
      _ = try NetworkConfiguration(parsing: #"{"layers":[\#(Self.dense)],"nonsense":1}"#)
    }
    let known = try #require(
      error?.violations.first?.description.split(separator: "known are ").last)
    #expect(Set(properties.keys) == Set(known.split(separator: ", ").map(String.init)))
    let configuration = try NetworkConfiguration(parsing: Self.layer(Self.dense))
    #expect(properties["epochs"]?["default"] as? Int == configuration.epochs)
    #expect(properties["batch_size"]?["default"] as? Int == configuration.batchSize)
    #expect(properties["loss"]?["default"] as? String == configuration.loss.type.rawValue)
    #expect(
      properties["epochs"]?["maximum"] as? Int == NetworkConfiguration.Bounds.epochs.upperBound)
    #expect(
      properties["batch_size"]?["maximum"] as? Int
        == NetworkConfiguration.Bounds.batchSize.upperBound)
    let definitions = try #require(schema["$defs"] as? [String: [String: Any]])
    let layers = try #require(definitions["layer"]?["oneOf"] as? [[String: Any]])
    let types = layers.flatMap { layer -> [String] in
      let type = (layer["properties"] as? [String: [String: Any]])?["type"]
      return (type?["const"] as? String).map { [$0] } ?? type?["enum"] as? [String] ?? []
    }
    #expect(Set(types) == Set(NetworkConfiguration.LayerType.allCases.map(\.rawValue)))
    #expect(
      definitions["function"]?["enum"] as? [String] == Activation.allCases.map(\.rawValue))
    let losses = try #require(definitions["loss"]?["oneOf"] as? [[String: Any]])
    #expect(losses[0]["enum"] as? [String] == LossChoice.LossType.allCases.map(\.rawValue))
  }
}
