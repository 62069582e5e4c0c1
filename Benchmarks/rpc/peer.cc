// SPDX-License-Identifier: Apache-2.0
// The peer: C++ gRPC's callback API, answering ModelInfer with the tensor that came, over the same mutual TLS.
//
//   peer CERTIFICATE KEY AUTHORITY        prints "peer serving on PORT"
#include <cstdio>
#include <fstream>
#include <sstream>

#include <grpcpp/grpcpp.h>

#include "inference/grpc_service.grpc.pb.h"

namespace {

class EchoService final : public inference::GRPCInferenceService::CallbackService {
  grpc::ServerUnaryReactor *ModelInfer(grpc::CallbackServerContext *context,
                                       const inference::ModelInferRequest *request,
                                       inference::ModelInferResponse *response) override {
    grpc::ServerUnaryReactor *reactor = context->DefaultReactor();
    reactor->Finish(echo(*request, *response));
    return reactor;
  }

  static grpc::Status echo(const inference::ModelInferRequest &request,
                           inference::ModelInferResponse &response) {
    if (request.inputs_size() != 1 || request.raw_input_contents_size() != 1)
      return {grpc::StatusCode::INVALID_ARGUMENT, "expected one input with raw contents"};
    response.set_model_name(request.model_name());
    response.set_model_version("1");
    response.set_id(request.id());
    auto *output = response.add_outputs();
    output->set_name("OUTPUT0");
    output->set_datatype(request.inputs(0).datatype());
    *output->mutable_shape() = request.inputs(0).shape();
    response.add_raw_output_contents(request.raw_input_contents(0));
    return grpc::Status::OK;
  }
};

std::string contents(const char *path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

}  // namespace

int main(int count, char **arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: peer CERTIFICATE KEY AUTHORITY\n");
    return 2;
  }
  grpc::SslServerCredentialsOptions tls(GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  tls.pem_root_certs = contents(arguments[3]);
  tls.pem_key_cert_pairs.push_back({contents(arguments[2]), contents(arguments[1])});

  EchoService service;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(tls), &port);
  builder.SetMaxReceiveMessageSize(-1);
  builder.SetMaxSendMessageSize(-1);
  builder.RegisterService(&service);
  auto server = builder.BuildAndStart();
  if (!server) return 1;
  std::printf("peer serving on %d\n", port);
  std::fflush(stdout);
  server->Wait();
}
