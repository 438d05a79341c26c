//! Targets: a triple with its shared and its own settings.

use crate::errors::SettingsError;
use cranelift_codegen::isa::{self, OwnedTargetIsa};
use cranelift_codegen::settings::{self, Configurable, Setting, SettingKind};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// Architectures that Cranelift may know, whether or not they are part of this build.
const ARCHITECTURES: [&str; 8] = [
    "x86_64",
    "aarch64",
    "riscv64",
    "s390x",
    "pulley32",
    "pulley64",
    "pulley32be",
    "pulley64be",
];

/// A target, ready to compile for. Immutable, shared between threads.
#[pyclass(frozen, module = "backend.cranelift._cranelift")]
pub struct TargetIsa {
    pub isa: OwnedTargetIsa,
}

#[pymethods]
impl TargetIsa {
    #[new]
    fn new(
        triple: &str,
        shared: BTreeMap<String, String>,
        isa: BTreeMap<String, String>,
    ) -> PyResult<Self> {
        let mut own = builder(triple)?;
        for (name, value) in &isa {
            configure(&mut own, name, value)?;
        }
        let mut common = settings::builder();
        for (name, value) in &shared {
            configure(&mut common, name, value)?;
        }
        // It changes no code: it notes where blocks start, so that code can be told from data.
        configure(&mut common, "machine_code_cfg_info", "true")?;
        let isa = own
            .finish(settings::Flags::new(common))
            .map_err(|error| SettingsError::new_err(format!("{triple}: {error}")))?;
        Ok(Self { isa })
    }

    /// Cranelift's name of the backend: `x64`, `aarch64`...
    #[getter]
    fn name(&self) -> &'static str {
        self.isa.name()
    }

    #[getter]
    fn triple(&self) -> String {
        self.isa.triple().to_string()
    }

    /// Names of the ISA's own flags that are on, also by a preset.
    #[getter]
    fn flags(&self) -> Vec<&'static str> {
        let values = self.isa.isa_flags().into_iter();
        values
            .filter(|value| value.as_bool() == Some(true))
            .map(|value| value.name)
            .collect()
    }

    #[getter]
    fn pointer_bits(&self) -> u8 {
        self.isa.pointer_bits()
    }

    /// The calling convention of functions that do not say one, as CLIF spells it.
    #[getter]
    fn default_call_conv(&self) -> String {
        self.isa.default_call_conv().to_string()
    }

    fn __repr__(&self) -> String {
        format!("TargetIsa({})", self.isa.triple())
    }
}

fn builder(triple: &str) -> PyResult<isa::Builder> {
    isa::lookup(parse(triple)?).map_err(|error| match error {
        isa::LookupError::SupportDisabled => SettingsError::new_err(format!(
            "'{triple}' is not part of this build (it has {})",
            isas().join(", ")
        )),
        isa::LookupError::Unsupported => {
            SettingsError::new_err(format!("Cranelift has no backend for '{triple}'"))
        }
    })
}

fn configure(settings: &mut impl Configurable, name: &str, value: &str) -> PyResult<()> {
    use settings::SetError;
    let result = match settings.set(name, value) {
        // Presets cannot be set to a value, only be switched on: `haswell`, `has_v`'s kin...
        Err(SetError::BadName(_)) if matches!(value, "true" | "1" | "on") => settings.enable(name),
        result => result,
    };
    result.map_err(|error| {
        SettingsError::new_err(match error {
            SetError::BadName(_) => format!("no setting named '{name}'"),
            SetError::BadType => format!("setting '{name}' does not take '{value}'"),
            SetError::BadValue(expected) => {
                format!("setting '{name}' does not take '{value}', but {expected}")
            }
        })
    })
}

/// Parses a triple: a type of whatever version of target-lexicon Cranelift uses.
fn parse<T: FromStr<Err: Display>>(triple: &str) -> PyResult<T> {
    triple
        .parse()
        .map_err(|error| SettingsError::new_err(format!("bad target triple '{triple}': {error}")))
}

/// Architectures of this build.
#[pyfunction]
pub fn isas() -> Vec<&'static str> {
    let built = |name: &&str| parse(name).is_ok_and(|triple| isa::lookup(triple).is_ok());
    ARCHITECTURES.into_iter().filter(built).collect()
}

/// The settings of an ISA, or those that all share: name, kind, description, values, default.
#[pyfunction]
#[pyo3(name = "settings", signature = (isa=None))]
pub fn list_settings<'py>(py: Python<'py>, isa: Option<&str>) -> PyResult<Bound<'py, PyList>> {
    let shared = settings::Flags::new(settings::builder());
    let (all, defaults): (Vec<Setting>, Vec<settings::Value>) = match isa {
        None => (
            settings::builder().iter().collect(),
            shared.iter().collect(),
        ),
        Some(triple) => {
            let builder = builder(triple)?;
            let target = builder
                .finish(shared)
                .map_err(|error| SettingsError::new_err(format!("{triple}: {error}")))?;
            (builder.iter().collect(), target.isa_flags())
        }
    };
    let list = PyList::empty(py);
    for setting in all {
        let default = defaults.iter().find(|value| value.name == setting.name);
        let entry = PyDict::new(py);
        entry.set_item("name", setting.name)?;
        entry.set_item("description", setting.description)?;
        entry.set_item("kind", kind(setting.kind))?;
        entry.set_item("values", setting.values.unwrap_or_default())?;
        entry.set_item("default", default.map(settings::Value::value_string))?;
        list.append(entry)?;
    }
    Ok(list)
}

fn kind(kind: SettingKind) -> &'static str {
    match kind {
        SettingKind::Enum => "enum",
        SettingKind::Num => "num",
        SettingKind::Bool => "bool",
        SettingKind::Preset => "preset",
    }
}
