# SPDX-License-Identifier: Apache-2.0
"""One case for each public method of tritonclient's gRPC client that the server supports, and for each datatype.

Expects the models echo-<datatype> (one input, INPUT0, of one extent that varies), not loaded.
"""
import queue

import grpc
import numpy

import tritonclient.grpc as triton
from cases import Cases, refused
from connection import channel, client, parser, request, stub
from google.rpc import error_details_pb2
from grpc_status import rpc_status

arguments = parser(__doc__).parse_args()
c = client(arguments)
raw = stub(arguments)
cases = Cases()
DTYPES = {
    "BOOL": numpy.array([True, False, True]),
    "UINT8": numpy.array([0, 200, 255], numpy.uint8),
    "UINT16": numpy.array([0, 60000, 65535], numpy.uint16),
    "UINT32": numpy.array([0, 4000000000, 2**32 - 1], numpy.uint32),
    "UINT64": numpy.array([0, 2**63, 2**64 - 1], numpy.uint64),
    "INT8": numpy.array([-128, 0, 127], numpy.int8),
    "INT16": numpy.array([-32768, 0, 32767], numpy.int16),
    "INT32": numpy.array([-(2**31), 0, 2**31 - 1], numpy.int32),
    "INT64": numpy.array([-(2**63), 0, 2**63 - 1], numpy.int64),
    "FP16": numpy.array([0, -1.5, 65504], numpy.float16),
    "FP32": numpy.array([0, -1.5, 3.4e38, numpy.inf], numpy.float32),
    "FP64": numpy.array([0, -1.5, 1.7e308, numpy.nan], numpy.float64),
    # tritonclient gives and takes float32 for it.
    "BF16": numpy.array([0, -1.5, 256], numpy.float32),
    "BYTES": numpy.array([b"", b"massif", "Größe".encode(), bytes(range(256))], numpy.object_),
}
# The field of InferTensorContents for each; FP16 and BF16 have none.
TYPED = {
    "BOOL": "bool", "UINT8": "uint", "UINT16": "uint", "UINT32": "uint", "UINT64": "uint64",
    "INT8": "int", "INT16": "int", "INT32": "int", "INT64": "int64", "FP32": "fp32",
    "FP64": "fp64", "BYTES": "bytes",
}


def model(datatype):
    return f"echo-{datatype.lower()}"


def tensor(datatype, values):
    result = triton.InferInput("INPUT0", list(values.shape), datatype)
    result.set_data_from_numpy(values)
    return result


FP32 = model("FP32")
X = numpy.arange(16, dtype=numpy.float32)


def infer(**options):
    return c.infer(FP32, [tensor("FP32", X)], **options)


def same(result, values=X):
    y = result.as_numpy("OUTPUT0")
    assert y.dtype == values.dtype and y.shape == values.shape, (y.dtype, y.shape)
    assert numpy.array_equal(y, values, equal_nan=values.dtype.kind == "f"), y


# The repository comes first: everything else needs the models loaded.


@cases.case
def load_model():
    for datatype in DTYPES:
        c.load_model(model(datatype))
    assert all(c.is_model_ready(model(d)) for d in DTYPES)


@cases.case
def load_model_with_configuration_is_refused():
    refused("INVALID_ARGUMENT", lambda: c.load_model(FP32, config="{}"))


@cases.case
def load_model_that_is_not_there():
    refused("NOT_FOUND", lambda: c.load_model("nobody"))


@cases.case
def unload_model():
    c.unload_model(FP32)
    assert not c.is_model_ready(FP32)
    refused("NOT_FOUND", infer)
    c.load_model(FP32)
    same(infer())


@cases.case
def get_model_repository_index():
    index = c.get_model_repository_index(as_json=True)["models"]
    mine = [m for m in index if m["name"] == f"vision/{FP32}"]
    assert mine == [{"name": f"vision/{FP32}", "version": "1", "state": "READY"}], index
    assert len(index) == len(DTYPES), index


@cases.case
def is_server_live():
    assert c.is_server_live(headers={"x-any": "thing"}, client_timeout=20)


@cases.case
def is_server_ready():
    assert c.is_server_ready()


@cases.case
def is_model_ready():
    assert c.is_model_ready(FP32) and c.is_model_ready(FP32, "1")
    assert not c.is_model_ready(FP32, "2") and not c.is_model_ready("nobody")


@cases.case
def get_server_metadata():
    metadata = c.get_server_metadata()
    assert metadata.name == "massif" and metadata.version
    assert "model_repository" in metadata.extensions


@cases.case
def get_model_metadata():
    metadata = c.get_model_metadata(model("BYTES"))
    assert metadata.name == model("BYTES") and list(metadata.versions) == ["1"]
    (x,), (y,) = metadata.inputs, metadata.outputs
    assert (x.name, x.datatype, list(x.shape)) == ("INPUT0", "BYTES", [-1])
    assert (y.name, y.datatype, list(y.shape)) == ("OUTPUT0", "BYTES", [-1])
    refused("NOT_FOUND", lambda: c.get_model_metadata("nobody"))


@cases.case
def get_model_config():
    config = c.get_model_config(FP32).config
    assert config.name == FP32 and config.input[0].name == "INPUT0"
    assert config.max_batch_size == 0


@cases.case
def get_inference_statistics():
    def count():
        (one,) = c.get_inference_statistics(FP32, "1").model_stats
        return one.inference_count, one.inference_stats.success.count

    before = count()
    same(infer())
    refused("INVALID_ARGUMENT", lambda: c.infer(FP32, [tensor("FP64", DTYPES["FP64"])]))
    assert count() == (before[0] + 1, before[1] + 1), (before, count())
    assert len(c.get_inference_statistics().model_stats) == len(DTYPES)


@cases.case
def infer_options():
    result = infer(
        request_id="seventeen", model_version="1", client_timeout=20, priority=1, timeout=5_000_000,
        outputs=[triton.InferRequestedOutput("OUTPUT0")], parameters={"mine": "own", "n": 3})
    same(result)
    response = result.get_response()
    assert (response.id, response.model_name, response.model_version) == ("seventeen", FP32, "1")
    assert result.get_output("OUTPUT0").datatype == "FP32"


@cases.case
def infer_compressed():
    x = numpy.zeros(150_528, numpy.float32)
    for algorithm in ("gzip", "deflate"):
        same(c.infer(FP32, [tensor("FP32", x)], compression_algorithm=algorithm), x)


@cases.case
def infer_errors():
    assert "NOBODY" in refused(
        "INVALID_ARGUMENT", lambda: infer(outputs=[triton.InferRequestedOutput("NOBODY")]))
    refused("NOT_FOUND", lambda: infer(model_version="9"))
    refused("UNIMPLEMENTED",
            lambda: infer(outputs=[triton.InferRequestedOutput("OUTPUT0", class_count=3)]))


@cases.case
def infer_empty_and_large():
    for count in (0, 1, 150_528):
        x = numpy.arange(count, dtype=numpy.float32)
        same(c.infer(FP32, [tensor("FP32", x)]), x)


@cases.case
def async_infer():
    answers = queue.Queue()
    for number in range(50):
        x = numpy.full(3, number, numpy.float32)
        c.async_infer(
            FP32, [tensor("FP32", x)], lambda result, error: answers.put((result, error)),
            request_id=str(number))
    seen = set()
    for _ in range(50):
        result, error = answers.get(timeout=20)
        assert error is None, error
        number = result.get_response().id
        same(result, numpy.full(3, int(number), numpy.float32))
        seen.add(number)
    assert len(seen) == 50


@cases.case
def async_infer_error():
    answers = queue.Queue()
    c.async_infer("nobody", [tensor("FP32", X)],
                  lambda result, error: answers.put((result, error)))
    result, error = answers.get(timeout=20)
    assert result is None and error.status() == "StatusCode.NOT_FOUND", error


for datatype, values in DTYPES.items():

    def raw_contents(datatype=datatype, values=values):
        same(c.infer(model(datatype), [tensor(datatype, values)]), values)

    def typed_contents(datatype=datatype, values=values):
        r = request(model(datatype), datatype=datatype, shape=values.shape)
        field = getattr(r.inputs[0].contents, f"{TYPED[datatype]}_contents")
        field.extend(values.tolist())
        same(triton.InferResult(raw.ModelInfer(r, timeout=20)), values)

    cases.add(f"raw_{datatype}", raw_contents)
    if datatype in TYPED:
        cases.add(f"typed_{datatype}", typed_contents)


class Stream:
    """A stream of tritonclient, whose answers are taken one by one."""

    def __init__(self, **options):
        self.answers = queue.Queue()
        c.start_stream(lambda result, error: self.answers.put((result, error)), **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        c.stop_stream(cancel_requests=True)

    def send(self, number, datatype="FP32", **options):
        x = numpy.full(3, number, DTYPES[datatype].dtype)
        c.async_stream_infer(model(datatype), [tensor(datatype, x)], request_id=str(number), **options)

    def take(self):
        return self.answers.get(timeout=20)


@cases.case
def stream_infer():
    with Stream() as stream:
        for number in range(200):
            stream.send(number)
        for _ in range(200):
            result, error = stream.take()
            assert error is None, error
            response = result.get_response()
            same(result, numpy.full(3, int(response.id), numpy.float32))
            assert response.parameters["triton_final_response"].bool_param


@cases.case
def stream_infer_of_several_models():
    with Stream(compression_algorithm="gzip", headers={"x-any": "thing"}) as stream:
        for datatype in ("INT8", "UINT64", "FP16"):
            stream.send(7, datatype, enable_empty_final_response=True)
            result, error = stream.take()
            assert error is None, error
            same(result, numpy.full(3, 7, DTYPES[datatype].dtype))
        assert stream.answers.empty()


@cases.case
def stream_goes_on_behind_a_broken_request():
    with Stream() as stream:
        stream.send(1)
        c.async_stream_infer("nobody", [tensor("FP32", X)], request_id="broken")
        stream.send(2)
        outcomes = [stream.take() for _ in range(3)]
        errors = [e for _, e in outcomes if e]
        assert len(errors) == 1 and "nobody" in errors[0].message(), errors
        assert {r.get_response().id for r, e in outcomes if not e} == {"1", "2"}


@cases.case
def stream_with_errors_of_grpc():
    with Stream(headers={"triton_grpc_error": "true"}) as stream:
        stream.send(1)
        result, error = stream.take()
        assert error is None, error
        c.async_stream_infer("nobody", [tensor("FP32", X)])
        result, error = stream.take()
        assert error.status() == "StatusCode.NOT_FOUND" and "nobody" in error.message(), error


@cases.case
def stop_stream_waits_for_what_is_open():
    stream = Stream()
    for number in range(100):
        stream.send(number)
    c.stop_stream()
    assert stream.answers.qsize() == 100


@cases.case
def stream_cancelled_in_the_middle():
    stream = Stream()
    for number in range(100):
        stream.send(number)
    stream.take()
    c.stop_stream(cancel_requests=True)
    same(infer())


@cases.case
def stream_timeout():
    with Stream(stream_timeout=0.2) as stream:
        stream.send(1)
        first = stream.take()
        last = first if first[1] else stream.take()
        assert last[1].status() == "StatusCode.DEADLINE_EXCEEDED", last


@cases.case
def stream_message_as_it_is():
    """The envelope by field, without tritonclient's reading of it."""
    r = request(FP32, shape=(16,), raw=X.tobytes())
    r.id = "as it is"
    broken = request("nobody", raw=X.tobytes())
    broken.id = "broken"
    good, bad = list(raw.ModelStreamInfer(iter([r, broken]), timeout=20))
    assert good.error_message == "" and good.infer_response.id == "as it is"
    assert good.infer_response.raw_output_contents[0] == X.tobytes()
    assert "nobody" in bad.error_message and bad.infer_response.id == "broken"


def details(call):
    """The google.rpc details of a call that fails, by the names of their types."""
    try:
        call()
    except grpc.RpcError as error:
        return {d.type_url.rsplit(".", 1)[-1]: d.value for d in rpc_status.from_call(error).details}
    raise AssertionError("the call succeeded")


@cases.case
def error_details_of_a_bad_request():
    found = details(lambda: raw.ModelInfer(request(FP32, datatype="INT8", raw=X.tobytes())))
    (violation,) = error_details_pb2.BadRequest.FromString(found["BadRequest"]).field_violations
    assert violation.field == "inputs[0].datatype" and "INT8" in violation.description


@cases.case
def error_details_of_what_is_not_there():
    found = details(lambda: raw.ModelInfer(request("nobody", raw=X.tobytes())))
    resource = error_details_pb2.ResourceInfo.FromString(found["ResourceInfo"])
    assert (resource.resource_type, resource.resource_name) == ("model", "nobody"), resource


@cases.case
def error_details_of_what_is_too_large():
    r = request(FP32, shape=(5_000_000,))
    r.inputs[0].contents.fp32_contents.extend([0.0] * 5_000_000)
    found = details(lambda: raw.ModelInfer(r))
    (violation,) = error_details_pb2.QuotaFailure.FromString(found["QuotaFailure"]).violations
    assert "inputs[0].contents" in violation.description, violation


@cases.case
def error_details_of_what_is_not_allowed():
    call = channel(arguments).unary_unary("/massif.v1.Plugins/RegisterPlugin")
    found = details(lambda: call(b"", timeout=20))
    info = error_details_pb2.ErrorInfo.FromString(found["ErrorInfo"])
    assert (info.reason, info.domain) == ("PERMISSION_DENIED", "massif"), info
    assert info.metadata["permission"] == "administer", info


UNSUPPORTED = {
    "get_trace_settings": (), "update_trace_settings": (), "get_log_settings": (),
    "get_system_shared_memory_status": (), "register_system_shared_memory": ("a", "/b", 8),
    "unregister_system_shared_memory": (), "get_cuda_shared_memory_status": (),
    "unregister_cuda_shared_memory": (),
}
for name, parameters in UNSUPPORTED.items():
    cases.add(
        f"{name}_is_refused",
        lambda name=name, parameters=parameters: refused(
            "UNIMPLEMENTED", lambda: getattr(c, name)(*parameters)))

cases.run()
c.close()
