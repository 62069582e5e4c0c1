// SPDX-License-Identifier: Apache-2.0
//! The classifier in Rust without a crate: the network, its gradients and its kernels are the
//! server's, lent through the extension `massif.compute/1`.
//!
//!   rustc --crate-type cdylib --edition 2021 -C opt-level=2 -o libclassifier_rust.so classifier.rs
//!
//! Data: train/features FP32 [n, d] and train/labels INT32 [n].
//! Configuration: {"classes": 2, "hidden": 16, "epochs": 10, "batch_size": 32, "learning_rate": 0.01}

mod massif;

use massif::*;
use std::ffi::c_void;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

/// The lent runtime, which lives as long as the process and may be called from any thread.
struct Lent(*const Compute);
unsafe impl Send for Lent {}
unsafe impl Sync for Lent {}
static COMPUTE: OnceLock<Lent> = OnceLock::new();

fn compute() -> &'static Compute {
    // The entry refuses to load the plugin without it.
    unsafe { &*COMPUTE.get().expect("the entry has set it").0 }
}

/// Why something failed: a status, and a text where the host has not said it already.
struct Failure(Status, Option<(String, String)>);
type Outcome<T> = Result<T, Failure>;

fn check(status: Status) -> Outcome<()> {
    if status == OK { Ok(()) } else { Err(Failure(status, None)) }
}

fn bad<T>(field: &str, what: &str) -> Outcome<T> {
    Err(Failure(INVALID_ARGUMENT, Some((field.to_string(), what.to_string()))))
}

/// Runs `body` and turns its failure, or its panic, into a status and a message.
unsafe fn guarded(error: *mut Error, body: impl FnOnce() -> Outcome<()>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => OK,
        Err(_) => {
            ((*error).set_message)(error, "the plugin failed".into());
            INTERNAL
        }
        Ok(Err(Failure(status, text))) => {
            if let Some((field, what)) = text {
                ((*error).set_message)(error, format!("{field}: {what}").as_str().into());
                ((*error).add_violation)(error, field.as_str().into(), what.as_str().into());
            }
            status
        }
    }
}

// ------------------------------------------------------------------------------ configuration

struct Configuration {
    classes: i64,
    hidden: i64,
    epochs: u32,
    batch_size: usize,
    learning_rate: f64,
}

impl Configuration {
    /// Reads a flat JSON object of numbers.
    fn parse(json: &str) -> Outcome<Configuration> {
        let mut c =
            Configuration { classes: 2, hidden: 16, epochs: 10, batch_size: 32, learning_rate: 0.01 };
        let body = json.trim().strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(body) = body.map(str::trim) else {
            return bad("configuration", "expected a JSON object");
        };
        for member in body.split(',').filter(|_| !body.is_empty()) {
            let Some((name, value)) = member.split_once(':') else {
                return bad("configuration", "expected \"name\": number");
            };
            let name = name.trim().trim_matches('"');
            let path = format!("configuration.{name}");
            let Ok(value) = value.trim().parse::<f64>() else {
                return bad(&path, "expected a number");
            };
            let whole = |least: f64| {
                if value >= least && value <= 4096.0 && value.fract() == 0.0 {
                    Ok(value as u32)
                } else {
                    bad(&path, &format!("expected a whole number of {least} to 4096, came {value}"))
                }
            };
            match name {
                "classes" => c.classes = whole(2.0)?.into(),
                "hidden" => c.hidden = whole(1.0)?.into(),
                "epochs" => c.epochs = whole(1.0)?,
                "batch_size" => c.batch_size = whole(1.0)? as usize,
                "learning_rate" if (1e-6..=1.0).contains(&value) => c.learning_rate = value,
                "learning_rate" => return bad(&path, "expected a number of 1e-6 to 1"),
                _ => return bad(&path, "there is no such setting"),
            }
        }
        Ok(c)
    }
}

// ----------------------------------------------------------------------------------- network

/// The host's graph: features -> dense -> relu -> dense -> softmax, and the loss against labels.
struct Network {
    graph: Handle,
    probabilities: u32,
    loss: u32,
}

impl Network {
    fn new(c: &Configuration, width: i64, error: *mut Error) -> Outcome<Network> {
        let mut network = Network { graph: null_mut(), probabilities: 0, loss: 0 };
        unsafe {
            check((compute().graph_create)(compute(), &mut network.graph, error))?;
            let features = network.input("features", FP32, &[width], error)?;
            let hidden = network.dense("hidden", features, width, c.hidden, error)?;
            let hidden = network.operation("relu", &[hidden], error)?;
            let logits = network.dense("output", hidden, c.hidden, c.classes, error)?;
            network.probabilities = network.operation("softmax", &[logits], error)?;
            let labels = network.input("labels", INT32, &[], error)?;
            network.loss = network.operation("cross_entropy", &[logits, labels], error)?;
        }
        Ok(network)
    }

    unsafe fn input(&self, name: &str, kind: i32, shape: &[i64], error: *mut Error) -> Outcome<u32> {
        let (mut value, rank) = (0, shape.len() as u32);
        check((compute().graph_input)(
            compute(), self.graph, name.into(), kind, rank, shape.as_ptr(), &mut value, error,
        ))?;
        Ok(value)
    }

    unsafe fn operation(&self, name: &str, operands: &[u32], error: *mut Error) -> Outcome<u32> {
        let (mut value, count) = (0, operands.len() as u32);
        check((compute().graph_operation)(
            compute(), self.graph, name.into(), operands.as_ptr(), count, null(), 0, &mut value, error,
        ))?;
        Ok(value)
    }

    unsafe fn dense(
        &self, name: &str, x: u32, inputs: i64, units: i64, error: *mut Error,
    ) -> Outcome<u32> {
        let fan_in = Attribute { name: "fan_in".into(), text: Text::EMPTY, number: inputs as f64 };
        let (weight, bias) = (format!("{name}.weight"), format!("{name}.bias"));
        let (mut w, mut b) = (0, 0);
        check((compute().graph_parameter)(
            compute(), self.graph, weight.as_str().into(), 2, [inputs, units].as_ptr(),
            "fan_in_uniform".into(), &fan_in, 1, &mut w, error,
        ))?;
        check((compute().graph_parameter)(
            compute(), self.graph, bias.as_str().into(), 1, &units, "zeros".into(), null(), 0, &mut b,
            error,
        ))?;
        self.operation("dense", &[x, w, b], error)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        unsafe { (compute().graph_destroy)(compute(), self.graph) }
    }
}

// ----------------------------------------------------------------------------------- trainer

struct Training {
    table: Trainer,
    configuration: Configuration,
    session: Handle,
    /// Lent until destroy.
    features: &'static [f32],
    labels: &'static [i32],
    width: usize,
    seed: u64,
}

impl Drop for Training {
    fn drop(&mut self) {
        unsafe { (compute().session_destroy)(compute(), self.session) }
    }
}

/// One tensor of a data set, as Rust sees it; without bytes where only the description is given.
unsafe fn tensor<'a>(dataset: *const DataSet, name: &str, kind: i32, rank: u32) -> Outcome<&'a Tensor> {
    let tensors = std::slice::from_raw_parts((*dataset).tensors, (*dataset).tensor_count as usize);
    match tensors.iter().find(|t| t.name.as_str() == name) {
        Some(tensor) if tensor.data_type == kind && tensor.rank == rank => Ok(tensor),
        _ => bad(name, "expected train/features FP32 [n, d] and train/labels INT32 [n]"),
    }
}

unsafe fn elements<T>(tensor: &Tensor) -> &'static [T] {
    std::slice::from_raw_parts(tensor.bytes.cast(), tensor.byte_count / std::mem::size_of::<T>())
}

unsafe fn training<'a>(table: *const Trainer) -> &'a mut Training {
    &mut *(*table).context.cast::<Training>()
}

unsafe extern "C" fn train_epoch(
    table: *const Trainer, epoch: u32, progress: *const Progress, error: *mut Error,
) -> Status {
    guarded(error, || {
        let t = training(table);
        let mut order = vec![0u32; t.labels.len()];
        let (stream, count) = (u64::MAX - u64::from(epoch), order.len() as u32);
        (compute().random_permutation)(compute(), t.seed, stream, order.as_mut_ptr(), count);
        let (mut sum, mut done) = (0.0, 0);
        let mut metric = Metric { name: "loss".into(), value: 0.0 };
        for rows in order.chunks(t.configuration.batch_size) {
            let mut features = Vec::with_capacity(rows.len() * t.width);
            for &row in rows {
                let start = row as usize * t.width;
                features.extend_from_slice(&t.features[start..start + t.width]);
            }
            let labels: Vec<i32> = rows.iter().map(|&row| t.labels[row as usize]).collect();
            let bind = |name: &'static str, bytes: *const c_void, byte_count| Tensor {
                name: name.into(), data_type: 0, rank: 0, shape: null(), bytes, byte_count,
            };
            let inputs = [
                bind("features", features.as_ptr().cast(), features.len() * 4),
                bind("labels", labels.as_ptr().cast(), labels.len() * 4),
            ];
            let mut loss = 0.0;
            check((compute().session_step)(
                compute(), t.session, inputs.as_ptr(), 2, rows.len() as i64, &mut loss, error,
            ))?;
            done += rows.len();
            sum += f64::from(loss) * rows.len() as f64;
            metric.value = sum / done as f64;
            if !((*progress).report)(progress, done as u64, &metric, 1) {
                return Err(Failure(CANCELLED, None));
            }
        }
        ((*progress).finish)(progress, &metric, 1);
        Ok(())
    })
}

unsafe extern "C" fn checkpoint(
    table: *const Trainer, writer: *const Writer, error: *mut Error,
) -> Status {
    let session = training(table).session;
    (compute().session_save)(compute(), session, writer, "session.safetensors".into(), error)
}

unsafe extern "C" fn restore(
    table: *const Trainer, artifacts: *const Artifact, count: u32, completed: *mut u32,
    error: *mut Error,
) -> Status {
    guarded(error, || {
        let t = training(table);
        for artifact in std::slice::from_raw_parts(artifacts, count as usize) {
            if artifact.name.as_str() == "session.safetensors" {
                let mut steps = 0;
                check((compute().session_restore)(
                    compute(), t.session, artifact.bytes, artifact.byte_count, &mut steps, error,
                ))?;
                *completed = (steps / t.table.step_count) as u32;
                return Ok(());
            }
        }
        bad("checkpoint", "expected the artifact session.safetensors")
    })
}

unsafe extern "C" fn export_model(
    table: *const Trainer, writer: *const Writer, error: *mut Error,
) -> Status {
    guarded(error, || {
        let t = training(table);
        let width = t.width.to_string();
        check(((*writer).write)(writer, "width.txt".into(), width.as_ptr().cast(), width.len()))?;
        let name = "weights.safetensors".into();
        check((compute().session_export)(compute(), t.session, writer, name, error))
    })
}

unsafe extern "C" fn destroy_trainer(table: *const Trainer) {
    drop(Box::from_raw((*table).context.cast::<Training>()));
}

unsafe extern "C" fn create_trainer(
    _plugin: *const Plugin, request: *const TrainerRequest, out: *mut *const Trainer,
    error: *mut Error,
) -> Status {
    guarded(error, || {
        let request = &*request;
        let c = Configuration::parse(request.configuration.as_str())?;
        let features = tensor(request.dataset, "train/features", FP32, 2)?;
        let labels = tensor(request.dataset, "train/labels", INT32, 1)?;
        let (samples, width) = (*features.shape as u64, *features.shape.add(1));
        if samples == 0 || width == 0 {
            return bad("train/features", "expected at least one sample");
        }
        let network = Network::new(&c, width, error)?;
        let rate =
            Attribute { name: "learning_rate".into(), text: Text::EMPTY, number: c.learning_rate };
        let wanted = SessionRequest {
            struct_size: std::mem::size_of::<SessionRequest>() as u32,
            loss: network.loss,
            outputs: null(),
            output_count: 0,
            optimizer_attribute_count: 1,
            optimizer: "adam".into(),
            optimizer_attributes: &rate,
            seed: request.seed,
            max_batch_size: c.batch_size as i64,
        };
        let mut session = null_mut();
        check((compute().session_create)(compute(), network.graph, &wanted, &mut session, error))?;
        let mut training = Box::new(Training {
            table: Trainer {
                struct_size: std::mem::size_of::<Trainer>() as u32,
                epoch_count: c.epochs,
                context: null_mut(),
                sample_count: samples,
                step_count: samples.div_ceil(c.batch_size as u64),
                train_epoch,
                train_step: null(),
                evaluate: null(),
                checkpoint,
                restore,
                export_model,
                destroy: destroy_trainer,
                extension: null(),
                partial_fit: null(),
            },
            configuration: c,
            session,
            features: elements(features),
            labels: elements(labels),
            width: width as usize,
            seed: request.seed,
        });
        training.table.context = (&mut *training as *mut Training).cast();
        *out = &Box::leak(training).table;
        Ok(())
    })
}

// ------------------------------------------------------------------------------------- model

struct Serving {
    table: Model,
    input: Tensor,
    output: Tensor,
    width: i64,
    classes: i64,
    plan: Handle,
}

unsafe extern "C" fn execute(table: *const Model, execution: *mut Execution) -> Status {
    let plan = (*(*table).context.cast::<Serving>()).plan;
    (compute().plan_execute)(compute(), plan, execution)
}

unsafe extern "C" fn destroy_model(table: *const Model) {
    let serving = Box::from_raw((*table).context.cast::<Serving>());
    (compute().plan_destroy)(compute(), serving.plan);
}

unsafe extern "C" fn create_model(
    _plugin: *const Plugin, request: *const ModelRequest, out: *mut *const Model, error: *mut Error,
) -> Status {
    guarded(error, || {
        let request = &*request;
        let c = Configuration::parse(request.configuration.as_str())?;
        let artifacts =
            std::slice::from_raw_parts(request.artifacts, request.artifact_count as usize);
        let find = |name: &str| match artifacts.iter().find(|a| a.name.as_str() == name) {
            Some(artifact) => Ok(std::slice::from_raw_parts::<u8>(
                artifact.bytes.cast(), artifact.byte_count,
            )),
            None => bad(name, "expected this artifact"),
        };
        let width = std::str::from_utf8(find("width.txt")?).unwrap_or("").trim();
        let Ok(width) = width.parse::<i64>() else {
            return bad("width.txt", "expected a number");
        };
        let weights = find("weights.safetensors")?;
        let network = Network::new(&c, width, error)?;
        let mut plan = null_mut();
        check((compute().plan_create)(
            compute(), network.graph, &network.probabilities, 1, 64, weights.as_ptr().cast(),
            weights.len(), &mut plan, error,
        ))?;
        let describe = |name: &'static str| Tensor {
            name: name.into(), data_type: FP32, rank: 1, shape: null(), bytes: null(), byte_count: 0,
        };
        let serving = Box::leak(Box::new(Serving {
            table: Model {
                struct_size: std::mem::size_of::<Model>() as u32,
                flags: 0,
                context: null_mut(),
                inputs: null(),
                outputs: null(),
                input_count: 1,
                output_count: 1,
                max_batch_size: 64,
                memory_byte_count: (compute().plan_byte_count)(compute(), plan) as u64,
                execute,
                destroy: destroy_model,
                extension: null(),
            },
            input: describe("features"),
            output: describe("probabilities"),
            width,
            classes: c.classes,
            plan,
        }));
        serving.input.shape = &serving.width;
        serving.output.shape = &serving.classes;
        serving.table.inputs = &serving.input;
        serving.table.outputs = &serving.output;
        serving.table.context = (serving as *mut Serving).cast();
        *out = &serving.table;
        Ok(())
    })
}

// ------------------------------------------------------------------------------------ plugin

unsafe extern "C" fn validate(
    _plugin: *const Plugin, configuration: Text, dataset: *const DataSet, error: *mut Error,
) -> Status {
    guarded(error, || {
        Configuration::parse(configuration.as_str())?;
        if !dataset.is_null() {
            tensor(dataset, "train/features", FP32, 2)?;
            tensor(dataset, "train/labels", INT32, 1)?;
        }
        Ok(())
    })
}

const SCHEMA: &str = r#"{"type":"object","additionalProperties":false,"properties":{
 "classes":{"type":"integer","minimum":2,"maximum":4096,"default":2},
 "hidden":{"type":"integer","minimum":1,"maximum":4096,"default":16},
 "epochs":{"type":"integer","minimum":1,"maximum":4096,"default":10},
 "batch_size":{"type":"integer","minimum":1,"maximum":4096,"default":32},
 "learning_rate":{"type":"number","minimum":1e-6,"maximum":1,"default":0.01}}}"#;

/// The one function that the host looks for.
///
/// # Safety
/// `host` is the host's table, which outlives the plugin.
#[no_mangle]
pub unsafe extern "C" fn massif_plugin_entry(host: *const Host) -> *const Plugin {
    let lent = ((*host).extension)(host, c"massif.compute/1".as_ptr());
    if lent.is_null() {
        ((*host).log)(host, 3, "this host does not lend massif.compute/1".into());
        return null();
    }
    COMPUTE.get_or_init(|| Lent(lent.cast()));
    // Lives as long as the process, as the contract says.
    Box::leak(Box::new(Plugin {
        struct_size: std::mem::size_of::<Plugin>() as u32,
        abi_major: 1,
        abi_minor: 1,
        context: null_mut(),
        name: "classifier-rust".into(),
        version: "1.0.0".into(),
        capabilities: 1 | 2,
        configuration_schema: SCHEMA.into(),
        validate,
        estimate_memory: null(),
        create_model,
        create_trainer,
        extension: null(),
    }))
}
