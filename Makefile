# SPDX-License-Identifier: Apache-2.0
# Every target installs what it needs and is safe to run again. `make help` lists them.

.DEFAULT_GOAL := help
.PHONY: help bootstrap build demo test check format protos interop-swift soak bench-rpc bench-runtime bench-train bench-kernels bench-families bench-plugins goldens plugin-recipe clean bench-attacks bench-connections fuzz sanitize sanitize-rpc scan-tls

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

bootstrap: ## install the Debian packages that building needs
	@scripts/bootstrap build

build: bootstrap ## the release binary, .build/release/massif
	scripts/build-release massif

demo: ## the main job on real data: train over the RPC, deploy, classify with two clients
	@scripts/demo

test: ## all tests; ends with "N passed, N failed"
	@scripts/test

check: ## format, imports between targets, generated code
	@scripts/bootstrap build protos
	@scripts/check

format: ## write every Swift file as `swift format` would
	@git ls-files '*.swift' | grep -v /Generated/ | xargs swift format -i --parallel

protos: ## make the generated protobuf code anew
	@scripts/bootstrap build protos
	@scripts/generate-protos

goldens: ## make Tests/Golden anew with PyTorch
	@scripts/make-goldens
	@scripts/make-operation-goldens
	@scripts/make-training-goldens
	@scripts/make-augmentation-goldens

interop-swift: ## gRPC's interoperability cases with grpc-swift-2 (takes minutes to build)
	@scripts/bootstrap build
	@scripts/interop-swift

soak: ## ten minutes of mixed load: no error that no client caused, memory flat; SECONDS=n
	@scripts/bootstrap build demo
	@scripts/soak $(or $(SECONDS),600)

bench-rpc: ## requests/s and CPU per request beside a C++ gRPC server
	@scripts/bootstrap build bench
	@Benchmarks/rpc/run

bench-train: ## training images/s beside PyTorch
	@scripts/bootstrap build demo
	@Benchmarks/train/run

bench-runtime: ## every line of the runtime's speed beside PyTorch, ONNX Runtime and oneDNN; ONLY=name,name
	@scripts/bootstrap build demo peers
	@Benchmarks/runtime/run --only "$(ONLY)"

bench-kernels: ## GFLOP/s of the kernels beside the machine's limit
	@scripts/bootstrap build
	@Benchmarks/kernels/run

bench-families: ## fit times of the model families beside scikit-learn and other peers
	@scripts/bootstrap build demo
	@Benchmarks/families/run

bench-plugins: ## what the plugin boundary and isolation cost, against their bounds
	@scripts/bootstrap build
	@Benchmarks/plugins/run

bench-attacks: ## attacks of the wire beside a healthy client: its p99, the server's memory
	@scripts/bootstrap build demo
	@$$(scripts/venv tritonclient) Benchmarks/attacks/run

bench-connections: ## memory of 10,000 idle connections; 1,000 handshakes beside a served client
	@scripts/bootstrap build demo
	@$$(scripts/venv tritonclient) Benchmarks/connections/run

fuzz: ## libFuzzer on each parser, ten minutes each; FUZZ_SECONDS=n, FUZZ_ENTRIES="json csv"
	@scripts/bootstrap build
	@Fuzz/run $(or $(FUZZ_SECONDS),600) $(FUZZ_ENTRIES)

sanitize: ## the kernel and the runtime suites under the address and undefined-behaviour sanitizers
	@scripts/bootstrap build
	@scripts/sanitize

sanitize-rpc: ## the RPC server's tests under the address, undefined-behaviour and thread sanitizers
	@scripts/bootstrap build
	@scripts/sanitize-rpc

scan-tls: ## sslscan, testssl.sh and sslyze against a running server
	@scripts/bootstrap build scan demo
	@scripts/scan-tls

plugin-recipe: build ## CONTRIBUTING's recipe "Add a plugin", timed: from nothing to a served answer
	@scripts/time-plugin-recipe

clean: ## remove what building and the demo made
	rm -rf .build .build-protoc-gen-swift .venv certs/dev
