// SPDX-License-Identifier: Apache-2.0
// gRPC's interoperability cases as its doc/interop-test-descriptions.md has them, by C++ gRPC.
//
//   interop PORT CA CERTIFICATE KEY
//
// Prints the outcome of each case as JSON. Built by scripts/interop-client.
#include <grpc/compression.h>
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "grpc/testing/test.grpc.pb.h"

// Not in a public header, but in the library: the flags of the message that a call received last, which is how
// gRPC's own client looks whether it was compressed.
struct grpc_call;
uint32_t grpc_call_test_only_get_message_flags(grpc_call *call);

namespace grpc {
namespace testing {
// A friend of ClientContext by name.
class InteropClientContextInspector {
 public:
  explicit InteropClientContextInspector(const ClientContext &context) : context_(context) {}
  bool WasCompressed() const {
    // GRPC_WRITE_INTERNAL_TEST_ONLY_WAS_COMPRESSED
    const uint32_t kWasCompressed = 0x40000000u;
    return grpc_call_test_only_get_message_flags(context_.call_) & kWasCompressed;
  }

 private:
  const ClientContext &context_;
};
}  // namespace testing
}  // namespace grpc

namespace {

using grpc::ClientContext;
using grpc::Status;
using grpc::StatusCode;
using namespace grpc::testing;

const std::vector<int> kRequestSizes = {27182, 8, 1828, 45904};
const std::vector<int> kResponseSizes = {31415, 9, 2653, 58979};
const int kLargeRequest = 271828, kLargeResponse = 314159;

void Check(bool condition, const std::string &what) {
  if (!condition) throw std::runtime_error(what);
}

void CheckStatus(const Status &status, StatusCode code) {
  Check(status.error_code() == code, "code " + std::to_string(code) + " was expected, came " +
                                         std::to_string(status.error_code()) + ": " +
                                         status.error_message());
}

void Within(ClientContext &context, std::chrono::milliseconds time = std::chrono::seconds(20)) {
  context.set_deadline(std::chrono::system_clock::now() + time);
}

std::string Zeros(int size) { return std::string(size, '\0'); }

bool WasCompressed(const ClientContext &context) {
  return InteropClientContextInspector(context).WasCompressed();
}

class Cases {
 public:
  explicit Cases(const std::shared_ptr<grpc::Channel> &channel)
      : stub_(TestService::NewStub(channel)), unimplemented_(UnimplementedService::NewStub(channel)) {}

  void EmptyUnary() {
    ClientContext context;
    Within(context);
    Empty response;
    CheckStatus(stub_->EmptyCall(&context, Empty(), &response), StatusCode::OK);
  }

  void LargeUnary() {
    ClientContext context;
    Within(context);
    SimpleResponse response;
    CheckStatus(stub_->UnaryCall(&context, Large(), &response), StatusCode::OK);
    Check(response.payload().body() == Zeros(kLargeResponse), "payload");
  }

  void ClientStreaming() {
    ClientContext context;
    Within(context);
    StreamingInputCallResponse response;
    auto writer = stub_->StreamingInputCall(&context, &response);
    for (int size : kRequestSizes) Check(writer->Write(Input(size)), "write");
    writer->WritesDone();
    CheckStatus(writer->Finish(), StatusCode::OK);
    Check(response.aggregated_payload_size() == 74922, "aggregated size");
  }

  void ServerStreaming() {
    ClientContext context;
    Within(context);
    StreamingOutputCallRequest request;
    for (int size : kResponseSizes) request.add_response_parameters()->set_size(size);
    auto reader = stub_->StreamingOutputCall(&context, request);
    StreamingOutputCallResponse response;
    size_t count = 0;
    while (reader->Read(&response)) {
      Check(count < kResponseSizes.size(), "too many responses");
      Check(response.payload().body() == Zeros(kResponseSizes[count++]), "payload");
    }
    CheckStatus(reader->Finish(), StatusCode::OK);
    Check(count == kResponseSizes.size(), "too few responses");
  }

  void PingPong() {
    ClientContext context;
    Within(context);
    auto stream = stub_->FullDuplexCall(&context);
    for (size_t index = 0; index < kRequestSizes.size(); index++) {
      Check(stream->Write(Turn(kRequestSizes[index], kResponseSizes[index])), "write");
      StreamingOutputCallResponse response;
      Check(stream->Read(&response), "read");
      Check(response.payload().body() == Zeros(kResponseSizes[index]), "payload");
    }
    stream->WritesDone();
    StreamingOutputCallResponse response;
    Check(!stream->Read(&response), "one response too many");
    CheckStatus(stream->Finish(), StatusCode::OK);
  }

  void EmptyStream() {
    ClientContext context;
    Within(context);
    auto stream = stub_->FullDuplexCall(&context);
    stream->WritesDone();
    StreamingOutputCallResponse response;
    Check(!stream->Read(&response), "a response");
    CheckStatus(stream->Finish(), StatusCode::OK);
  }

  void TimeoutOnSleepingServer() {
    ClientContext context;
    Within(context, std::chrono::milliseconds(200));
    auto stream = stub_->FullDuplexCall(&context);
    stream->Write(Turn(27182, 0, 30000000));
    StreamingOutputCallResponse response;
    while (stream->Read(&response)) {
    }
    CheckStatus(stream->Finish(), StatusCode::DEADLINE_EXCEEDED);
  }

  void StatusCodeAndMessage() {
    const std::string message = "test status method";
    Status status = Told(message);
    CheckStatus(status, StatusCode::UNKNOWN);
    Check(status.error_message() == message, "message: " + status.error_message());
    ClientContext context;
    Within(context);
    auto stream = stub_->FullDuplexCall(&context);
    StreamingOutputCallRequest request;
    request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
    request.mutable_response_status()->set_message(message);
    stream->Write(request);
    stream->WritesDone();
    StreamingOutputCallResponse response;
    Check(!stream->Read(&response), "a response");
    status = stream->Finish();
    CheckStatus(status, StatusCode::UNKNOWN);
    Check(status.error_message() == message, "message: " + status.error_message());
  }

  void SpecialStatusMessage() {
    const std::string message = "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \U0001F608\t\n";
    Status status = Told(message);
    CheckStatus(status, StatusCode::UNKNOWN);
    Check(status.error_message() == message, "message: " + status.error_message());
  }

  void UnimplementedMethod() {
    ClientContext context;
    Within(context);
    Empty response;
    CheckStatus(stub_->UnimplementedCall(&context, Empty(), &response), StatusCode::UNIMPLEMENTED);
  }

  void UnimplementedServiceCase() {
    ClientContext context;
    Within(context);
    Empty response;
    CheckStatus(
        unimplemented_->UnimplementedCall(&context, Empty(), &response), StatusCode::UNIMPLEMENTED);
  }

  void CustomMetadata() {
    ClientContext unary;
    AddMetadata(unary);
    SimpleResponse response;
    CheckStatus(stub_->UnaryCall(&unary, Large(), &response), StatusCode::OK);
    CheckMetadata(unary);
    ClientContext duplex;
    AddMetadata(duplex);
    auto stream = stub_->FullDuplexCall(&duplex);
    stream->Write(Turn(kLargeRequest, kLargeResponse));
    stream->WritesDone();
    StreamingOutputCallResponse each;
    while (stream->Read(&each)) {
    }
    CheckStatus(stream->Finish(), StatusCode::OK);
    CheckMetadata(duplex);
  }

  void CancelAfterBegin() {
    ClientContext context;
    Within(context);
    StreamingInputCallResponse response;
    auto writer = stub_->StreamingInputCall(&context, &response);
    context.TryCancel();
    CheckStatus(writer->Finish(), StatusCode::CANCELLED);
  }

  void CancelAfterFirstResponse() {
    ClientContext context;
    Within(context);
    auto stream = stub_->FullDuplexCall(&context);
    Check(stream->Write(Turn(27182, 31415)), "write");
    StreamingOutputCallResponse response;
    Check(stream->Read(&response), "read");
    context.TryCancel();
    CheckStatus(stream->Finish(), StatusCode::CANCELLED);
  }

  void ClientCompressedUnary() {
    SimpleRequest request = Large();
    // Does the server look? An uncompressed message that claims to be compressed is refused.
    request.mutable_expect_compressed()->set_value(true);
    CheckStatus(Unary(request, GRPC_COMPRESS_NONE), StatusCode::INVALID_ARGUMENT);
    for (auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
      CheckStatus(Unary(request, algorithm), StatusCode::OK);
    }
    request.mutable_expect_compressed()->set_value(false);
    CheckStatus(Unary(request, GRPC_COMPRESS_NONE), StatusCode::OK);
  }

  void ServerCompressedUnary() {
    for (bool compressed : {true, false}) {
      ClientContext context;
      Within(context);
      SimpleRequest request = Large();
      request.mutable_response_compressed()->set_value(compressed);
      SimpleResponse response;
      CheckStatus(stub_->UnaryCall(&context, request, &response), StatusCode::OK);
      Check(WasCompressed(context) == compressed, compressed ? "not compressed" : "compressed");
      Check(response.payload().body() == Zeros(kLargeResponse), "payload");
    }
  }

  void ClientCompressedStreaming() {
    StreamingInputCallRequest probe = Input(27182);
    probe.mutable_expect_compressed()->set_value(true);
    {
      ClientContext context;
      Within(context);
      StreamingInputCallResponse response;
      auto writer = stub_->StreamingInputCall(&context, &response);
      writer->Write(probe);
      writer->WritesDone();
      CheckStatus(writer->Finish(), StatusCode::INVALID_ARGUMENT);
    }
    ClientContext context;
    Within(context);
    context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    StreamingInputCallResponse response;
    auto writer = stub_->StreamingInputCall(&context, &response);
    Check(writer->Write(probe), "write");
    StreamingInputCallRequest plain = Input(45904);
    plain.mutable_expect_compressed()->set_value(false);
    grpc::WriteOptions options;
    options.set_no_compression();
    Check(writer->Write(plain, options), "write");
    writer->WritesDone();
    CheckStatus(writer->Finish(), StatusCode::OK);
    Check(response.aggregated_payload_size() == 73086, "aggregated size");
  }

  void ServerCompressedStreaming() {
    const std::vector<std::pair<int, bool>> expected = {{31415, true}, {92653, false}};
    ClientContext context;
    Within(context);
    StreamingOutputCallRequest request;
    for (const auto &[size, compressed] : expected) {
      auto *parameters = request.add_response_parameters();
      parameters->set_size(size);
      parameters->mutable_compressed()->set_value(compressed);
    }
    auto reader = stub_->StreamingOutputCall(&context, request);
    for (const auto &[size, compressed] : expected) {
      StreamingOutputCallResponse response;
      Check(reader->Read(&response), "read");
      Check(WasCompressed(context) == compressed, compressed ? "not compressed" : "compressed");
      Check(response.payload().body() == Zeros(size), "payload");
    }
    StreamingOutputCallResponse response;
    Check(!reader->Read(&response), "one response too many");
    CheckStatus(reader->Finish(), StatusCode::OK);
  }

 private:
  static SimpleRequest Large() {
    SimpleRequest request;
    request.set_response_size(kLargeResponse);
    request.mutable_payload()->set_body(Zeros(kLargeRequest));
    return request;
  }

  static StreamingInputCallRequest Input(int size) {
    StreamingInputCallRequest request;
    request.mutable_payload()->set_body(Zeros(size));
    return request;
  }

  static StreamingOutputCallRequest Turn(int request_size, int response_size, int interval_us = 0) {
    StreamingOutputCallRequest request;
    request.mutable_payload()->set_body(Zeros(request_size));
    auto *parameters = request.add_response_parameters();
    parameters->set_size(response_size);
    parameters->set_interval_us(interval_us);
    return request;
  }

  Status Told(const std::string &message) {
    ClientContext context;
    Within(context);
    SimpleRequest request;
    request.mutable_response_status()->set_code(StatusCode::UNKNOWN);
    request.mutable_response_status()->set_message(message);
    SimpleResponse response;
    return stub_->UnaryCall(&context, request, &response);
  }

  Status Unary(const SimpleRequest &request, grpc_compression_algorithm algorithm) {
    ClientContext context;
    Within(context);
    context.set_compression_algorithm(algorithm);
    SimpleResponse response;
    Status status = stub_->UnaryCall(&context, request, &response);
    if (status.ok()) Check(response.payload().body() == Zeros(kLargeResponse), "payload");
    return status;
  }

  const std::string initial_ = "x-grpc-test-echo-initial", trailing_ = "x-grpc-test-echo-trailing-bin";
  const std::string initial_value_ = "test_initial_metadata_value";
  const std::string trailing_value_ = "\x0a\x0b\x0a\x0b\x0a\x0b";

  void AddMetadata(ClientContext &context) {
    Within(context);
    context.AddMetadata(initial_, initial_value_);
    context.AddMetadata(trailing_, trailing_value_);
  }

  void CheckMetadata(const ClientContext &context) {
    const auto &initial = context.GetServerInitialMetadata();
    const auto &trailing = context.GetServerTrailingMetadata();
    const auto a = initial.find(initial_), b = trailing.find(trailing_);
    Check(a != initial.end() && a->second == initial_value_, "initial metadata");
    Check(b != trailing.end() && b->second == trailing_value_, "trailing metadata");
  }

  std::unique_ptr<TestService::Stub> stub_;
  std::unique_ptr<UnimplementedService::Stub> unimplemented_;
};

std::string Read(const char *path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 5) {
    std::fprintf(stderr, "usage: interop PORT CA CERTIFICATE KEY\n");
    return 2;
  }
  grpc::SslCredentialsOptions files;
  files.pem_root_certs = Read(arguments[2]);
  files.pem_cert_chain = Read(arguments[3]);
  files.pem_private_key = Read(arguments[4]);
  Cases cases(grpc::CreateChannel(
      std::string("localhost:") + arguments[1], grpc::SslCredentials(files)));
  const std::vector<std::pair<const char *, void (Cases::*)()>> all = {
      {"empty_unary", &Cases::EmptyUnary},
      {"large_unary", &Cases::LargeUnary},
      {"client_streaming", &Cases::ClientStreaming},
      {"server_streaming", &Cases::ServerStreaming},
      {"ping_pong", &Cases::PingPong},
      {"empty_stream", &Cases::EmptyStream},
      {"timeout_on_sleeping_server", &Cases::TimeoutOnSleepingServer},
      {"status_code_and_message", &Cases::StatusCodeAndMessage},
      {"special_status_message", &Cases::SpecialStatusMessage},
      {"unimplemented_method", &Cases::UnimplementedMethod},
      {"unimplemented_service", &Cases::UnimplementedServiceCase},
      {"custom_metadata", &Cases::CustomMetadata},
      {"cancel_after_begin", &Cases::CancelAfterBegin},
      {"cancel_after_first_response", &Cases::CancelAfterFirstResponse},
      {"client_compressed_unary", &Cases::ClientCompressedUnary},
      {"server_compressed_unary", &Cases::ServerCompressedUnary},
      {"client_compressed_streaming", &Cases::ClientCompressedStreaming},
      {"server_compressed_streaming", &Cases::ServerCompressedStreaming},
  };
  std::string json;
  for (const auto &[name, run] : all) {
    std::string outcome = "ok";
    try {
      (cases.*run)();
    } catch (const std::exception &error) {
      outcome = error.what();
    }
    // What is told here holds nothing that JSON would have to escape but quotes and line ends.
    for (char &c : outcome) {
      if (c == '"' || c == '\\' || static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
    json += std::string(json.empty() ? "{" : ", ") + "\"" + name + "\": \"" + outcome + "\"";
  }
  std::printf("%s}\n", json.c_str());
  return 0;
}
