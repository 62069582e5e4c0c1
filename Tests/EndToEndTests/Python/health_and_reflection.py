# SPDX-License-Identifier: Apache-2.0
"""Health by grpcio-health-checking and reflection by grpcio-reflection.

Expects the model echo-fp32, loaded.
"""
import re

import grpc

from cases import Cases
from connection import channel, client, parser
from google.protobuf import descriptor_pool, message_factory
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2 as messages
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase)

arguments = parser(__doc__).parse_args()
cases = Cases()
connection = channel(arguments)
health = health_pb2_grpc.HealthStub(connection)
triton = client(arguments)
MODEL, Status = "echo-fp32", health_pb2.HealthCheckResponse


def check(service):
    return health.Check(health_pb2.HealthCheckRequest(service=service), timeout=20).status


@cases.case
def check_of_the_server():
    for service in ("", "grpc.health.v1.Health", "inference.GRPCInferenceService"):
        assert check(service) == Status.SERVING, service


@cases.case
def check_of_a_model():
    for service in (MODEL, f"vision/{MODEL}"):
        assert check(service) == Status.SERVING, service


@cases.case
def check_of_nobody():
    for service in ("nobody", "other/model"):
        try:
            check(service)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
        else:
            raise AssertionError(f"{service} is known")


@cases.case
def watch_follows_a_model():
    watch = health.Watch(health_pb2.HealthCheckRequest(service=MODEL), timeout=60)
    assert next(watch).status == Status.SERVING
    triton.unload_model(MODEL)
    # Unloading may be seen on the way.
    assert any(r.status == Status.SERVICE_UNKNOWN for r in watch)
    triton.load_model(MODEL)
    assert any(r.status == Status.SERVING for r in watch)
    watch.cancel()


@cases.case
def list_of_everything():
    # grpcio-health-checking does not know the method yet: its two messages are read by hand.
    call = connection.unary_unary("/grpc.health.v1.Health/List")
    names = set(re.findall(rb"[A-Za-z0-9./-]{4,}", call(b"", timeout=20)))
    assert {b"inference.GRPCInferenceService", f"vision/{MODEL}".encode()} <= names, names


@cases.case
def reflection_names_every_service():
    services = set(ProtoReflectionDescriptorDatabase(connection).get_services())
    assert {
        "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection", "inference.GRPCInferenceService",
        "massif.v1.DataSets", "massif.v1.Jobs", "massif.v1.Models", "massif.v1.Plugins",
    } <= services, services


@cases.case
def what_reflection_describes_can_be_called():
    """A call with no more than reflection tells: an inference, by messages that are made of it."""
    database = ProtoReflectionDescriptorDatabase(connection)
    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName("inference.GRPCInferenceService").FindMethodByName("ModelInfer")
    Request = message_factory.GetMessageClass(method.input_type)
    Response = message_factory.GetMessageClass(method.output_type)
    call = connection.unary_unary(
        f"/{method.containing_service.full_name}/{method.name}",
        request_serializer=Request.SerializeToString, response_deserializer=Response.FromString)
    request = Request(model_name=MODEL, raw_input_contents=[bytes(64)])
    request.inputs.add(name="INPUT0", datatype="FP32", shape=[16])
    assert call(request, timeout=20).raw_output_contents[0] == bytes(64)


@cases.case
def every_described_method_is_there():
    """And the other way round a service that is served is described: see the list above."""
    database = ProtoReflectionDescriptorDatabase(connection)
    pool = descriptor_pool.DescriptorPool(database)
    for service in database.get_services():
        for method in pool.FindServiceByName(service).methods:
            path = f"/{service}/{method.name}"
            # A message that is no message of any method, so that nothing is done.
            call = connection.stream_stream(path)(iter([b"\xff"]), timeout=20)
            try:
                list(call)
            except grpc.RpcError as error:
                assert "is not a method of this server" not in error.details(), error.details()


@cases.case
def reflection_v1():
    """The newer name, which grpcio-reflection does not use: the same messages."""
    call = connection.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
    requests = [messages.ServerReflectionRequest(list_services=""),
                messages.ServerReflectionRequest(file_containing_symbol="massif.v1.Models"),
                messages.ServerReflectionRequest(file_by_filename="nobody.proto")]
    answers = [messages.ServerReflectionResponse.FromString(a)
               for a in call((r.SerializeToString() for r in requests), timeout=20)]
    assert [a.WhichOneof("message_response") for a in answers] == [
        "list_services_response", "file_descriptor_response", "error_response"]
    assert answers[2].error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert [a.original_request for a in answers] == requests


cases.run()
triton.close()
connection.close()
