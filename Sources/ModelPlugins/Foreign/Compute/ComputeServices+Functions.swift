// SPDX-License-Identifier: Apache-2.0
import CPluginABI
import Runtime

extension ComputeServices {
  func setGraphFunctions() {
    table.pointee.graph_create = { _, graph, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let graph else { throw ComputeServices.misuse }
        graph.pointee = ComputeServices.handle(ComputeGraph())
      }
    }
    table.pointee.graph_destroy = { _, graph in
      ComputeServices.release(graph, as: ComputeGraph.self)
    }
    table.pointee.graph_input = { _, graph, name, dataType, rank, shape, value, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let value, let name = String(name, limit: 257) else { throw ComputeServices.misuse }
        guard let datatype = DataType(msf: dataType) else {
          throw PluginError(field: "input \(name)", "expected a data type, came \(dataType)")
        }
        value.pointee = try ComputeServices.object(graph, as: ComputeGraph.self).input(
          name, datatype, ComputeServices.extents(rank, shape, "input \(name)"))
      }
    }
    table.pointee.graph_parameter = {
      _, graph, name, rank, shape, initializer, attributes, count, value, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let value, let name = String(name, limit: 257) else { throw ComputeServices.misuse }
        var attributes = try Attributes(attributes, count, of: "parameter \(name)")
        value.pointee = try ComputeServices.object(graph, as: ComputeGraph.self).parameter(
          name, ComputeServices.extents(rank, shape, "parameter \(name)"),
          String(initializer, limit: 64) ?? "", &attributes)
      }
    }
    table.pointee.graph_operation = {
      _, graph, name, operands, operandCount, attributes, count, result, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let result, operandCount <= 64, operandCount == 0 || operands != nil,
          let name = String(name, limit: 65)
        else { throw ComputeServices.misuse }
        var attributes = try Attributes(attributes, count, of: name)
        result.pointee = try ComputeServices.object(graph, as: ComputeGraph.self).operation(
          name, UnsafeBufferPointer(start: operands, count: Int(operandCount)), &attributes)
      }
    }
    table.pointee.graph_describe = { _, graph, value, dataType, rank, shape, error in
      ComputeServices.status(error) { () throws(PluginError) in
        let graph = try ComputeServices.object(graph, as: ComputeGraph.self)
        let type = graph.graph.type(of: try graph.value(value, "value"))
        dataType?.pointee = type.datatype.msf
        rank?.pointee = UInt32(type.shape.rank)
        for axis in 0..<min(type.shape.rank, PluginExecution.maxRank) {
          shape?[axis] = Int64(type.shape[axis])
        }
      }
    }
  }

  func setSessionFunctions() {
    table.pointee.session_create = { compute, graph, request, session, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let request, let session else { throw ComputeServices.misuse }
        let size = request.pointee.struct_size
        guard size >= UInt32(MSF_SESSION_REQUEST_SIZE_1_1) else {
          throw PluginError(
            .invalidArgument,
            "expected a session request of \(MSF_SESSION_REQUEST_SIZE_1_1) bytes, came \(size)")
        }
        let services = try ComputeServices.of(compute)
        session.pointee = ComputeServices.handle(
          try ComputeSession(
            ComputeServices.object(graph, as: ComputeGraph.self),
            readTable(request, byteCount: size, into: msf_session_request()),
            workers: services.workers, instructionSet: services.instructionSet))
      }
    }
    table.pointee.session_destroy = { _, session in
      ComputeServices.release(session, as: ComputeSession.self)
    }
    table.pointee.session_step = { _, session, inputs, count, batchSize, loss, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard count == 0 || inputs != nil else { throw ComputeServices.misuse }
        let value = try ComputeServices.object(session, as: ComputeSession.self).step(
          UnsafeBufferPointer(start: inputs, count: Int(count)), batchSize: batchSize)
        loss?.pointee = value
      }
    }
    table.pointee.session_output = { _, session, index, byteCount in
      let session = try? ComputeServices.object(session, as: ComputeSession.self)
      let output = session?.output(index)
      byteCount?.pointee = output?.count ?? 0
      return output?.baseAddress
    }
    table.pointee.session_set_learning_rate = { _, session, rate in
      try? ComputeServices.object(session, as: ComputeSession.self).setLearningRate(rate)
    }
    table.pointee.session_save = { _, session, writer, artifact, error in
      ComputeServices.status(error) { () throws(PluginError) in
        let session = try ComputeServices.object(session, as: ComputeSession.self)
        try ComputeServices.write(session.encodeState(), to: writer, as: artifact)
      }
    }
    table.pointee.session_export = { _, session, writer, artifact, error in
      ComputeServices.status(error) { () throws(PluginError) in
        let session = try ComputeServices.object(session, as: ComputeSession.self)
        try ComputeServices.write(session.encodeParameters(), to: writer, as: artifact)
      }
    }
    table.pointee.session_restore = { _, session, bytes, byteCount, stepCount, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard bytes != nil || byteCount == 0 else { throw ComputeServices.misuse }
        let steps = try ComputeServices.object(session, as: ComputeSession.self).restore(
          UnsafeRawBufferPointer(start: bytes, count: byteCount))
        stepCount?.pointee = steps
      }
    }
    table.pointee.session_plan = { _, session, outputs, count, plan, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let plan else { throw ComputeServices.misuse }
        let session = try ComputeServices.object(session, as: ComputeSession.self)
        plan.pointee = ComputeServices.handle(try session.makePlan(outputs, count))
      }
    }
  }

  func setPlanFunctions() {
    table.pointee.plan_create = {
      compute, graph, outputs, count, maxBatchSize, weights, byteCount, plan, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let plan, weights != nil || byteCount == 0 else { throw ComputeServices.misuse }
        let services = try ComputeServices.of(compute)
        plan.pointee = ComputeServices.handle(
          try services.makePlan(
            ComputeServices.object(graph, as: ComputeGraph.self), outputs, count,
            maxBatchSize: maxBatchSize,
            weights: UnsafeRawBufferPointer(start: weights, count: byteCount)))
      }
    }
    table.pointee.plan_destroy = { _, plan in
      ComputeServices.release(plan, as: ComputePlan.self)
    }
    table.pointee.plan_byte_count = { _, plan in
      (try? ComputeServices.object(plan, as: ComputePlan.self).byteCount) ?? 0
    }
    table.pointee.plan_run = {
      _, plan, inputs, count, batchSize, outputs, outputByteCounts, error in
      ComputeServices.status(error) { () throws(PluginError) in
        guard let outputs, let outputByteCounts, count == 0 || inputs != nil else {
          throw ComputeServices.misuse
        }
        let plan = try ComputeServices.object(plan, as: ComputePlan.self)
        let tensors = UnsafeBufferPointer(start: inputs, count: Int(count))
        try plan.run(tensors, batchSize: batchSize) { (run) throws(PluginError) in
          for index in plan.plan.outputs.indices {
            let answer = run.output(index)
            guard let memory = outputs[index], outputByteCounts[index] == answer.count else {
              throw PluginError(
                field: "outputs[\(index)]",
                "expected memory for \(answer.count) bytes, came \(outputByteCounts[index])")
            }
            UnsafeMutableRawBufferPointer(start: memory, count: answer.count)
              .copyMemory(from: answer)
          }
        }
      }
    }
    table.pointee.plan_execute = { _, plan, execution in
      guard let execution else { return msf_status(MSF_INVALID_ARGUMENT) }
      do throws(PluginError) {
        try ComputeServices.object(plan, as: ComputePlan.self).execute(execution)
        return msf_status(MSF_OK)
      } catch {
        error.message.withMSFString { execution.pointee.set_message(execution, $0) }
        return error.code.status
      }
    }
  }

  private func makePlan(
    _ graph: ComputeGraph, _ outputs: UnsafePointer<msf_value>?, _ count: UInt32,
    maxBatchSize: Int64, weights: UnsafeRawBufferPointer
  ) throws(PluginError) -> ComputePlan {
    let values = try graph.values(outputs, count, "plan.outputs")
    guard (1...Int64(1 << 24)).contains(maxBatchSize) else {
      throw PluginError(
        field: "plan.max_batch_size", "expected 1...\(1 << 24), came \(maxBatchSize)")
    }
    do throws(RuntimeError) {
      let file = try SafetensorsFile(parsing: weights)
      // The initial values are all replaced, so any seed will do.
      let parameters = try Parameters(graph.graph, seed: 0, instructionSet: instructionSet)
      try parameters.load(file, weights)
      let plan = try Plan(
        graph.graph, outputs: values, parameters: parameters, maximumBatch: Int(maxBatchSize),
        instructionSet: instructionSet)
      return try ComputePlan(plan, workers: workers)
    } catch {
      throw PluginError(error, field: error.field.map { "weights[\"\($0)\"]" } ?? "weights")
    }
  }
}

extension ComputePlan {
  /// `plan_execute`: runs on the inputs of a call and sets its outputs.
  fileprivate func execute(
    _ execution: UnsafeMutablePointer<msf_execution>
  ) throws(PluginError) {
    let call = execution.pointee
    let batchSize = call.batch_size
    let inputs = UnsafeBufferPointer(start: call.inputs, count: Int(call.input_count))
    try run(inputs, batchSize: max(batchSize, 1)) { (run) throws(PluginError) in
      for (index, port) in plan.outputs.enumerated() {
        let answer = run.output(index)
        let extents =
          (batchSize > 0 ? [batchSize] : []) + port.type.shape.dimensions.map(Int64.init)
        let memory = execution.pointee.output(
          execution, UInt32(index), port.type.datatype.msf, UInt32(extents.count), extents, 0)
        guard let memory else {
          throw PluginError(.internal, "output \(index) of the plan is not what the model declared")
        }
        UnsafeMutableRawBufferPointer(start: memory, count: answer.count).copyMemory(from: answer)
      }
    }
  }
}
