//! Request bodies for `fuzz/targets/body.rs`. Not part of any program.

use engine::money::Currency;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    checkout::input::NewCheckout,
    flash_drop::input::{DropPatch, NewDrop},
    product::input::{NewProductBody, ProductPatch},
    stock::NewAdjustment,
};
use crate::{Problem, edge::parse};

/// Parses `bytes` as the body that `kind` names, validates its values, and serialises it as for the fingerprints of
/// commands. `None`: the kind does not exist.
pub fn body(kind: u8, bytes: &[u8]) -> Option<Result<Vec<u8>, Problem>> {
    Some(match kind {
        b'd' => look(bytes, NewDrop::read),
        b'D' => look(bytes, |patch: &DropPatch| patch.read(Currency::USD)),
        b'c' => look(bytes, NewCheckout::read),
        b'i' => look(bytes, NewAdjustment::read),
        b'p' => look(bytes, NewProductBody::read),
        b'P' => look(bytes, ProductPatch::read),
        _ => return None,
    })
}

fn look<T, R>(bytes: &[u8], read: impl Fn(&T) -> Result<R, Problem>) -> Result<Vec<u8>, Problem>
where
    T: DeserializeOwned + Serialize,
{
    let body = parse::<T>(bytes)?;
    read(&body)?;
    Ok(serde_json::to_vec(&body).expect("bodies are written to memory"))
}
