//! Codecs of fields for whose types minicbor has none, for `#[cbor(with = "…")]`.
//!
//! Commands, replies and rejections are encoded when they travel between nodes, never within a process.

/// A shared value, encoded as the value itself.
pub(crate) mod shared {
    use std::sync::Arc;

    use minicbor::{
        Decode, Decoder, Encode, Encoder,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };

    pub(crate) fn encode<C, T: Encode<C>, W: Write>(
        value: &Arc<T>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        value.as_ref().encode(e, ctx)
    }

    pub(crate) fn decode<'b, C, T: Decode<'b, C>>(d: &mut Decoder<'b>, ctx: &mut C) -> Result<Arc<T>, DecodeError> {
        d.decode_with(ctx).map(Arc::new)
    }
}

/// A list of shared values, encoded as a list of the values.
pub(crate) mod shared_list {
    use std::sync::Arc;

    use minicbor::{
        Decode, Decoder, Encode, Encoder,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };

    pub(crate) fn encode<C, T: Encode<C>, W: Write>(
        values: &[Arc<T>],
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(values.len() as u64)?;
        values.iter().try_for_each(|value| value.as_ref().encode(e, ctx))
    }

    pub(crate) fn decode<'b, C, T: Decode<'b, C>>(
        d: &mut Decoder<'b>,
        ctx: &mut C,
    ) -> Result<Vec<Arc<T>>, DecodeError> {
        // Grows with the values that are there: the length in the bytes may be wrong.
        d.array_iter_with(ctx)?.map(|value| value.map(Arc::new)).collect()
    }
}

/// A field of a patch: absent (`None`), removed (`Some(None)`, an empty list) or set (a list of one value). minicbor
/// encodes both `None` and `Some(None)` as null.
pub(crate) mod patch {
    use minicbor::{
        Decode, Decoder, Encode, Encoder,
        data::Type,
        decode::Error as DecodeError,
        encode::{Error as EncodeError, Write},
    };

    pub(crate) fn encode<C, T: Encode<C>, W: Write>(
        field: &Option<Option<T>>,
        e: &mut Encoder<W>,
        ctx: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        match field {
            None => e.null()?.ok(),
            Some(None) => e.array(0)?.ok(),
            Some(Some(value)) => value.encode(e.array(1)?, ctx),
        }
    }

    pub(crate) fn decode<'b, C, T: Decode<'b, C>>(
        d: &mut Decoder<'b>,
        ctx: &mut C,
    ) -> Result<Option<Option<T>>, DecodeError> {
        if d.datatype()? == Type::Null {
            d.null()?;
            return Ok(None);
        }
        match d.array()? {
            Some(0) => Ok(Some(None)),
            Some(1) => d.decode_with(ctx).map(|value| Some(Some(value))),
            _ => Err(DecodeError::message("the field of a patch is not a list of at most one value")),
        }
    }

    pub(crate) fn is_nil<T>(field: &Option<Option<T>>) -> bool {
        field.is_none()
    }

    pub(crate) fn nil<T>() -> Option<Option<Option<T>>> {
        Some(None)
    }
}
