// SPDX-License-Identifier: Apache-2.0
// Made by scripts/make-inference-goldens.

/// `message number name type` of the messages that proto/ has, in the descriptors of
/// tritonclient and grpcio-health-checking.
let peerFields = """
  grpc.health.v1.HealthCheckRequest 1 service string
  grpc.health.v1.HealthCheckResponse 1 status enum
  grpc.health.v1.HealthListResponse 1 statuses repeated message
  inference.InferBatchStatistics 1 batch_size uint64
  inference.InferBatchStatistics 2 compute_input message
  inference.InferBatchStatistics 3 compute_infer message
  inference.InferBatchStatistics 4 compute_output message
  inference.InferParameter 1 bool_param bool
  inference.InferParameter 2 int64_param int64
  inference.InferParameter 3 string_param string
  inference.InferParameter 4 double_param double
  inference.InferParameter 5 uint64_param uint64
  inference.InferResponseStatistics 1 compute_infer message
  inference.InferResponseStatistics 2 compute_output message
  inference.InferResponseStatistics 3 success message
  inference.InferResponseStatistics 4 fail message
  inference.InferResponseStatistics 5 empty_response message
  inference.InferResponseStatistics 6 cancel message
  inference.InferStatistics 1 success message
  inference.InferStatistics 2 fail message
  inference.InferStatistics 3 queue message
  inference.InferStatistics 4 compute_input message
  inference.InferStatistics 5 compute_infer message
  inference.InferStatistics 6 compute_output message
  inference.InferStatistics 7 cache_hit message
  inference.InferStatistics 8 cache_miss message
  inference.InferTensorContents 1 bool_contents repeated bool
  inference.InferTensorContents 2 int_contents repeated int32
  inference.InferTensorContents 3 int64_contents repeated int64
  inference.InferTensorContents 4 uint_contents repeated uint32
  inference.InferTensorContents 5 uint64_contents repeated uint64
  inference.InferTensorContents 6 fp32_contents repeated float
  inference.InferTensorContents 7 fp64_contents repeated double
  inference.InferTensorContents 8 bytes_contents repeated bytes
  inference.MemoryUsage 1 type string
  inference.MemoryUsage 2 id int64
  inference.MemoryUsage 3 byte_size uint64
  inference.ModelConfig 1 name string
  inference.ModelConfig 10 metric_tags repeated message
  inference.ModelConfig 11 dynamic_batching message
  inference.ModelConfig 12 optimization message
  inference.ModelConfig 13 sequence_batching message
  inference.ModelConfig 14 parameters repeated message
  inference.ModelConfig 15 ensemble_scheduling message
  inference.ModelConfig 16 model_warmup repeated message
  inference.ModelConfig 17 backend string
  inference.ModelConfig 18 model_operations message
  inference.ModelConfig 19 model_transaction_policy message
  inference.ModelConfig 2 platform string
  inference.ModelConfig 20 batch_input repeated message
  inference.ModelConfig 21 batch_output repeated message
  inference.ModelConfig 23 model_repository_agents message
  inference.ModelConfig 24 response_cache message
  inference.ModelConfig 25 runtime string
  inference.ModelConfig 26 model_metrics message
  inference.ModelConfig 3 version_policy message
  inference.ModelConfig 4 max_batch_size int32
  inference.ModelConfig 5 input repeated message
  inference.ModelConfig 6 output repeated message
  inference.ModelConfig 7 instance_group repeated message
  inference.ModelConfig 8 default_model_filename string
  inference.ModelConfig 9 cc_model_filenames repeated message
  inference.ModelConfigRequest 1 name string
  inference.ModelConfigRequest 2 version string
  inference.ModelConfigResponse 1 config message
  inference.ModelDynamicBatching 1 preferred_batch_size repeated int32
  inference.ModelDynamicBatching 2 max_queue_delay_microseconds uint64
  inference.ModelDynamicBatching 3 preserve_ordering bool
  inference.ModelDynamicBatching 4 priority_levels uint64
  inference.ModelDynamicBatching 5 default_priority_level uint64
  inference.ModelDynamicBatching 6 default_queue_policy message
  inference.ModelDynamicBatching 7 priority_queue_policy repeated message
  inference.ModelInferRequest 1 model_name string
  inference.ModelInferRequest 2 model_version string
  inference.ModelInferRequest 3 id string
  inference.ModelInferRequest 4 parameters repeated message
  inference.ModelInferRequest 5 inputs repeated message
  inference.ModelInferRequest 6 outputs repeated message
  inference.ModelInferRequest 7 raw_input_contents repeated bytes
  inference.ModelInferRequest.InferInputTensor 1 name string
  inference.ModelInferRequest.InferInputTensor 2 datatype string
  inference.ModelInferRequest.InferInputTensor 3 shape repeated int64
  inference.ModelInferRequest.InferInputTensor 4 parameters repeated message
  inference.ModelInferRequest.InferInputTensor 5 contents message
  inference.ModelInferRequest.InferRequestedOutputTensor 1 name string
  inference.ModelInferRequest.InferRequestedOutputTensor 2 parameters repeated message
  inference.ModelInferResponse 1 model_name string
  inference.ModelInferResponse 2 model_version string
  inference.ModelInferResponse 3 id string
  inference.ModelInferResponse 4 parameters repeated message
  inference.ModelInferResponse 5 outputs repeated message
  inference.ModelInferResponse 6 raw_output_contents repeated bytes
  inference.ModelInferResponse.InferOutputTensor 1 name string
  inference.ModelInferResponse.InferOutputTensor 2 datatype string
  inference.ModelInferResponse.InferOutputTensor 3 shape repeated int64
  inference.ModelInferResponse.InferOutputTensor 4 parameters repeated message
  inference.ModelInferResponse.InferOutputTensor 5 contents message
  inference.ModelInput 1 name string
  inference.ModelInput 2 data_type enum
  inference.ModelInput 3 format enum
  inference.ModelInput 4 dims repeated int64
  inference.ModelInput 5 reshape message
  inference.ModelInput 6 is_shape_tensor bool
  inference.ModelInput 7 allow_ragged_batch bool
  inference.ModelInput 8 optional bool
  inference.ModelInput 9 is_non_linear_format_io bool
  inference.ModelInstanceGroup 1 name string
  inference.ModelInstanceGroup 2 count int32
  inference.ModelInstanceGroup 3 gpus repeated int32
  inference.ModelInstanceGroup 4 kind enum
  inference.ModelInstanceGroup 5 profile repeated string
  inference.ModelInstanceGroup 6 rate_limiter message
  inference.ModelInstanceGroup 7 passive bool
  inference.ModelInstanceGroup 8 secondary_devices repeated message
  inference.ModelInstanceGroup 9 host_policy string
  inference.ModelMetadataRequest 1 name string
  inference.ModelMetadataRequest 2 version string
  inference.ModelMetadataResponse 1 name string
  inference.ModelMetadataResponse 2 versions repeated string
  inference.ModelMetadataResponse 3 platform string
  inference.ModelMetadataResponse 4 inputs repeated message
  inference.ModelMetadataResponse 5 outputs repeated message
  inference.ModelMetadataResponse.TensorMetadata 1 name string
  inference.ModelMetadataResponse.TensorMetadata 2 datatype string
  inference.ModelMetadataResponse.TensorMetadata 3 shape repeated int64
  inference.ModelOutput 1 name string
  inference.ModelOutput 2 data_type enum
  inference.ModelOutput 3 dims repeated int64
  inference.ModelOutput 4 label_filename string
  inference.ModelOutput 5 reshape message
  inference.ModelOutput 6 is_shape_tensor bool
  inference.ModelOutput 7 is_non_linear_format_io bool
  inference.ModelParameter 1 string_value string
  inference.ModelQueuePolicy 1 timeout_action enum
  inference.ModelQueuePolicy 2 default_timeout_microseconds uint64
  inference.ModelQueuePolicy 3 allow_timeout_override bool
  inference.ModelQueuePolicy 4 max_queue_size uint32
  inference.ModelReadyRequest 1 name string
  inference.ModelReadyRequest 2 version string
  inference.ModelReadyResponse 1 ready bool
  inference.ModelRepositoryParameter 1 bool_param bool
  inference.ModelRepositoryParameter 2 int64_param int64
  inference.ModelRepositoryParameter 3 string_param string
  inference.ModelRepositoryParameter 4 bytes_param bytes
  inference.ModelStatistics 1 name string
  inference.ModelStatistics 2 version string
  inference.ModelStatistics 3 last_inference uint64
  inference.ModelStatistics 4 inference_count uint64
  inference.ModelStatistics 5 execution_count uint64
  inference.ModelStatistics 6 inference_stats message
  inference.ModelStatistics 7 batch_stats repeated message
  inference.ModelStatistics 8 memory_usage repeated message
  inference.ModelStatistics 9 response_stats repeated message
  inference.ModelStatisticsRequest 1 name string
  inference.ModelStatisticsRequest 2 version string
  inference.ModelStatisticsResponse 1 model_stats repeated message
  inference.ModelStreamInferResponse 1 error_message string
  inference.ModelStreamInferResponse 2 infer_response message
  inference.ModelTransactionPolicy 1 decoupled bool
  inference.ModelVersionPolicy 1 latest message
  inference.ModelVersionPolicy 2 all message
  inference.ModelVersionPolicy 3 specific message
  inference.ModelVersionPolicy.Latest 1 num_versions uint32
  inference.ModelVersionPolicy.Specific 1 versions repeated int64
  inference.RepositoryIndexRequest 1 repository_name string
  inference.RepositoryIndexRequest 2 ready bool
  inference.RepositoryIndexResponse 1 models repeated message
  inference.RepositoryIndexResponse.ModelIndex 1 name string
  inference.RepositoryIndexResponse.ModelIndex 2 version string
  inference.RepositoryIndexResponse.ModelIndex 3 state string
  inference.RepositoryIndexResponse.ModelIndex 4 reason string
  inference.RepositoryModelLoadRequest 1 repository_name string
  inference.RepositoryModelLoadRequest 2 model_name string
  inference.RepositoryModelLoadRequest 3 parameters repeated message
  inference.RepositoryModelUnloadRequest 1 repository_name string
  inference.RepositoryModelUnloadRequest 2 model_name string
  inference.RepositoryModelUnloadRequest 3 parameters repeated message
  inference.ServerLiveResponse 1 live bool
  inference.ServerMetadataResponse 1 name string
  inference.ServerMetadataResponse 2 version string
  inference.ServerMetadataResponse 3 extensions repeated string
  inference.ServerReadyResponse 1 ready bool
  inference.StatisticDuration 1 count uint64
  inference.StatisticDuration 2 ns uint64
  """
