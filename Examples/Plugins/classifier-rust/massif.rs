// SPDX-License-Identifier: Apache-2.0
//! The part of `massif_plugin.h` that this plugin uses, as Rust sees it. A table's layout never
//! changes up to the members that a version has, so what is declared here holds for every later host.

use std::ffi::{c_char, c_void};

pub type Status = i32;
pub const OK: Status = 0;
pub const CANCELLED: Status = 1;
pub const INVALID_ARGUMENT: Status = 3;
pub const INTERNAL: Status = 13;

pub const INT32: i32 = 8;
pub const FP32: i32 = 12;

#[repr(C)]
#[derive(Clone, Copy)]
pub struct Text {
    pub data: *const c_char,
    pub size: usize,
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text { data: text.as_ptr().cast(), size: text.len() }
    }
}

impl Text {
    pub const EMPTY: Text = Text { data: std::ptr::null(), size: 0 };

    /// # Safety
    /// The host's text is valid for the call that lends it.
    pub unsafe fn as_str<'a>(self) -> &'a str {
        if self.size == 0 {
            return "";
        }
        let bytes = std::slice::from_raw_parts(self.data.cast::<u8>(), self.size);
        std::str::from_utf8(bytes).unwrap_or("")
    }
}

#[repr(C)]
pub struct Tensor {
    pub name: Text,
    pub data_type: i32,
    pub rank: u32,
    pub shape: *const i64,
    pub bytes: *const c_void,
    pub byte_count: usize,
}

#[repr(C)]
pub struct Artifact {
    pub name: Text,
    pub bytes: *const c_void,
    pub byte_count: usize,
}

#[repr(C)]
pub struct Metric {
    pub name: Text,
    pub value: f64,
}

#[repr(C)]
pub struct Attribute {
    pub name: Text,
    pub text: Text,
    pub number: f64,
}

#[repr(C)]
pub struct Error {
    pub struct_size: u32,
    pub reserved: u32,
    pub context: *mut c_void,
    pub set_message: unsafe extern "C" fn(*mut Error, Text),
    pub add_violation: unsafe extern "C" fn(*mut Error, Text, Text),
}

#[repr(C)]
pub struct Host {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub context: *mut c_void,
    pub instruction_set: Text,
    pub worker_count: u32,
    pub reserved: u32,
    pub log: unsafe extern "C" fn(*const Host, i32, Text),
    pub allocate: unsafe extern "C" fn(*const Host, usize) -> *mut c_void,
    pub deallocate: unsafe extern "C" fn(*const Host, *mut c_void),
    pub parallel_for: *const c_void,
    pub extension: unsafe extern "C" fn(*const Host, *const c_char) -> *const c_void,
}

#[repr(C)]
pub struct Progress {
    pub struct_size: u32,
    pub reserved: u32,
    pub context: *mut c_void,
    pub report: unsafe extern "C" fn(*const Progress, u64, *const Metric, u32) -> bool,
    pub finish: unsafe extern "C" fn(*const Progress, *const Metric, u32),
    pub is_cancelled: unsafe extern "C" fn(*const Progress) -> bool,
}

#[repr(C)]
pub struct Writer {
    pub struct_size: u32,
    pub reserved: u32,
    pub context: *mut c_void,
    pub write: unsafe extern "C" fn(*const Writer, Text, *const c_void, usize) -> Status,
}

#[repr(C)]
pub struct DataSet {
    pub struct_size: u32,
    pub tensor_count: u32,
    pub tensors: *const Tensor,
}

#[repr(C)]
pub struct ModelRequest {
    pub struct_size: u32,
    pub artifact_count: u32,
    pub artifacts: *const Artifact,
    pub configuration: Text,
}

#[repr(C)]
pub struct TrainerRequest {
    pub struct_size: u32,
    pub reserved: u32,
    pub configuration: Text,
    pub seed: u64,
    pub dataset: *const DataSet,
}

/// Lent for one call; only `plan_execute` looks inside.
#[repr(C)]
pub struct Execution {
    _private: [u8; 0],
}

#[repr(C)]
pub struct Model {
    pub struct_size: u32,
    pub flags: u32,
    pub context: *mut c_void,
    pub inputs: *const Tensor,
    pub outputs: *const Tensor,
    pub input_count: u32,
    pub output_count: u32,
    pub max_batch_size: i64,
    pub memory_byte_count: u64,
    pub execute: unsafe extern "C" fn(*const Model, *mut Execution) -> Status,
    pub destroy: unsafe extern "C" fn(*const Model),
    pub extension: *const c_void,
}

#[repr(C)]
pub struct Trainer {
    pub struct_size: u32,
    pub epoch_count: u32,
    pub context: *mut c_void,
    pub sample_count: u64,
    pub step_count: u64,
    pub train_epoch:
        unsafe extern "C" fn(*const Trainer, u32, *const Progress, *mut Error) -> Status,
    pub train_step: *const c_void,
    pub evaluate: *const c_void,
    pub checkpoint: unsafe extern "C" fn(*const Trainer, *const Writer, *mut Error) -> Status,
    pub restore: unsafe extern "C" fn(
        *const Trainer,
        *const Artifact,
        u32,
        *mut u32,
        *mut Error,
    ) -> Status,
    pub export_model: unsafe extern "C" fn(*const Trainer, *const Writer, *mut Error) -> Status,
    pub destroy: unsafe extern "C" fn(*const Trainer),
    pub extension: *const c_void,
    pub partial_fit: *const c_void,
}

#[repr(C)]
pub struct Plugin {
    pub struct_size: u32,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub context: *mut c_void,
    pub name: Text,
    pub version: Text,
    pub capabilities: u64,
    pub configuration_schema: Text,
    pub validate:
        unsafe extern "C" fn(*const Plugin, Text, *const DataSet, *mut Error) -> Status,
    pub estimate_memory: *const c_void,
    pub create_model: unsafe extern "C" fn(
        *const Plugin,
        *const ModelRequest,
        *mut *const Model,
        *mut Error,
    ) -> Status,
    pub create_trainer: unsafe extern "C" fn(
        *const Plugin,
        *const TrainerRequest,
        *mut *const Trainer,
        *mut Error,
    ) -> Status,
    pub extension: *const c_void,
}

#[repr(C)]
pub struct SessionRequest {
    pub struct_size: u32,
    pub loss: u32,
    pub outputs: *const u32,
    pub output_count: u32,
    pub optimizer_attribute_count: u32,
    pub optimizer: Text,
    pub optimizer_attributes: *const Attribute,
    pub seed: u64,
    pub max_batch_size: i64,
}

/// A graph, a session or a plan of the host.
pub type Handle = *mut c_void;

#[repr(C)]
pub struct Compute {
    pub struct_size: u32,
    pub reserved: u32,
    pub context: *mut c_void,
    pub graph_create: unsafe extern "C" fn(*const Compute, *mut Handle, *mut Error) -> Status,
    pub graph_destroy: unsafe extern "C" fn(*const Compute, Handle),
    pub graph_input: unsafe extern "C" fn(
        *const Compute,
        Handle,
        Text,
        i32,
        u32,
        *const i64,
        *mut u32,
        *mut Error,
    ) -> Status,
    pub graph_parameter: unsafe extern "C" fn(
        *const Compute,
        Handle,
        Text,
        u32,
        *const i64,
        Text,
        *const Attribute,
        u32,
        *mut u32,
        *mut Error,
    ) -> Status,
    pub graph_operation: unsafe extern "C" fn(
        *const Compute,
        Handle,
        Text,
        *const u32,
        u32,
        *const Attribute,
        u32,
        *mut u32,
        *mut Error,
    ) -> Status,
    pub graph_describe: *const c_void,
    pub session_create: unsafe extern "C" fn(
        *const Compute,
        Handle,
        *const SessionRequest,
        *mut Handle,
        *mut Error,
    ) -> Status,
    pub session_destroy: unsafe extern "C" fn(*const Compute, Handle),
    pub session_step: unsafe extern "C" fn(
        *const Compute,
        Handle,
        *const Tensor,
        u32,
        i64,
        *mut f32,
        *mut Error,
    ) -> Status,
    pub session_output: *const c_void,
    pub session_set_learning_rate: *const c_void,
    pub session_save:
        unsafe extern "C" fn(*const Compute, Handle, *const Writer, Text, *mut Error) -> Status,
    pub session_restore: unsafe extern "C" fn(
        *const Compute,
        Handle,
        *const c_void,
        usize,
        *mut u64,
        *mut Error,
    ) -> Status,
    pub session_export:
        unsafe extern "C" fn(*const Compute, Handle, *const Writer, Text, *mut Error) -> Status,
    pub session_plan: *const c_void,
    pub plan_create: unsafe extern "C" fn(
        *const Compute,
        Handle,
        *const u32,
        u32,
        i64,
        *const c_void,
        usize,
        *mut Handle,
        *mut Error,
    ) -> Status,
    pub plan_destroy: unsafe extern "C" fn(*const Compute, Handle),
    pub plan_byte_count: unsafe extern "C" fn(*const Compute, Handle) -> usize,
    pub plan_run: *const c_void,
    pub plan_execute: unsafe extern "C" fn(*const Compute, Handle, *mut Execution) -> Status,
    pub random_words: *const c_void,
    pub random_permutation: unsafe extern "C" fn(*const Compute, u64, u64, *mut u32, u32),
}

const _: () = assert!(std::mem::size_of::<Trainer>() == 104);
const _: () = assert!(std::mem::size_of::<Model>() == 80);
const _: () = assert!(std::mem::size_of::<Plugin>() == 112);
const _: () = assert!(std::mem::size_of::<Compute>() == 192);
const _: () = assert!(std::mem::size_of::<SessionRequest>() == 64);
